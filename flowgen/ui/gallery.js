// The variants of a run. props.value, shared with the server:
//   variants  data URLs of PNGs at the model's size, which say what made them; selected: the index of one
//   before    data URL of the picture with its hole
//   file, crop, mask, model   what they were made of; large: whether of a photograph larger than what the model sees
//   feather   pixels of the model over which a variant fades out in the photograph
//   inside    the photograph {before, after} with {selected, feather} in it, or null; saved: a file to be fetched, or null
//   trouble   what went wrong last
// and from the page alone: format of the file to be saved, and keep: whether the hole stays when a variant is used.

const find = (name) => element.querySelector(`[data-part="${name}"]`);
const button = (name) => element.querySelector(`[data-do="${name}"]`);
const current = () => props.value || {};
let shown = null; // the variants on the page
let inside = false; // whether the photograph is looked at

function put(change) {
  props.value = { ...current(), ...change };
}

function draw() {
  const { variants, selected, seed, before, file, large, jpeg, trouble, inside: photo } = current();
  find("gallery").hidden = !variants;
  if (!variants) return (shown = null);
  if (String(variants) !== String(shown)) open(variants, file && large);
  [...find("variants").children].forEach((tile, i) => tile.setAttribute("aria-pressed", String(i === selected)));
  const there = inside && photo;
  find("before").src = there ? photo.before : before;
  find("after").src = there ? photo.after : variants[selected];
  find("compare").classList.toggle("is-photo", Boolean(there));
  find("seed").textContent = seed;
  find("index").textContent = `#${selected}`;
  find("png").href = variants[selected];
  find("png").download = `filled-seed${seed}-${selected}.png`;
  find("photo-tools").hidden = !file;
  button("inside").setAttribute("aria-pressed", String(inside));
  button("jpeg").hidden = !jpeg;
  find("trouble").textContent = trouble || "";
}

// Variants that were not here before.
function open(variants, photo) {
  shown = variants;
  inside = Boolean(photo);
  find("feather").value = 0;
  find("variants").replaceChildren(...variants.map(tile));
  find("variants").hidden = variants.length < 2;
  if (inside) ask("inside");
}

function tile(url, index) {
  const image = new Image();
  image.src = url;
  image.alt = "";
  const choice = document.createElement("button");
  choice.type = "button";
  choice.className = "fg-variant";
  choice.dataset.index = index;
  choice.append(image, `#${index}`);
  return choice;
}

function ask(event) {
  find("trouble").textContent = find("trouble").dataset.busy;
  event === "inside" ? trigger("inside") : event === "save" ? trigger("save") : trigger("use");
}

function choose(change) {
  put(change);
  draw();
  if (inside) ask("inside");
}

function save(format) {
  put({ format });
  ask("save");
}

// An answer of the server: show it, and where it is a file, fetch it.
function answer() {
  const { saved, inside: photo, selected, feather, variants, trouble } = current();
  const news = variants && String(variants) === String(shown);
  draw();
  if (saved?.url) {
    put({ saved: null });
    const link = document.createElement("a");
    link.href = saved.url;
    link.download = saved.orig_name;
    link.click();
  }
  if (news && inside && photo && !trouble && (photo.selected !== selected || photo.feather !== feather)) ask("inside");
}

const actions = {
  use: () => (put({ keep: find("keep").checked }), trigger("use")),
  png: () => save("png"),
  jpeg: () => save("jpeg"),
  inside: () => {
    inside = !inside;
    choose({});
  },
};

element.addEventListener("click", (event) => {
  const variant = event.target.closest("[data-index]");
  if (variant) choose({ selected: Number(variant.dataset.index) });
  actions[event.target.closest("[data-do]")?.dataset.do]?.();
});
find("slide").addEventListener("input", () => find("compare").style.setProperty("--at", `${find("slide").value}%`));
find("feather").addEventListener("change", () => choose({ feather: Number(find("feather").value) }));
watch("value", answer);
draw();
