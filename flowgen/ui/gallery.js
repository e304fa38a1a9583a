// The variants of a run. props.value, shared with the server:
//   variants  data URLs of PNGs at the model's size, which say what made them; selected: the index of one
//   before    data URL of the picture with its hole
//   file, crop, invert, mask, model   what they were made of; large: whether of a photograph larger than what the model sees
//   feather   pixels of the model over which a variant fades out in the photograph
//   inside    the photograph {before, after} with {selected, feather} in it, or null; saved: a file to be fetched, or null
//   trouble   what went wrong last
// and from the page alone: format of the file to be saved, and keep: whether the hole stays when a variant is used.

const find = (name) => element.querySelector(`[data-part="${name}"]`);
const button = (name) => element.querySelector(`[data-do="${name}"]`);
const current = () => props.value || {};
let shown = null; // the variants on the page
let inside = false; // whether the photograph is looked at
let chosen = {}; // by the visitor: { selected, feather }, which an answer to an earlier choice leaves alone

function put(change) {
  props.value = { ...current(), ...change };
}

function draw() {
  const { variants, selected, seed, before, file, large, jpeg, trouble, inside: photo } = current();
  find("gallery").hidden = !variants;
  if (!variants) return (shown = null);
  if (String(variants) !== String(shown)) open();
  [...find("variants").children].forEach((tile, i) => tile.setAttribute("aria-pressed", String(i === selected)));
  const there = inside && photo;
  find("before").src = there ? photo.before : before;
  find("after").src = there ? photo.after : variants[selected];
  find("compare").classList.toggle("is-photo", Boolean(there));
  find("which").textContent = say("seed {seed}, variant {index}", { seed, index: selected });
  find("png").href = variants[selected];
  find("png").download = `filled-seed${seed}-${selected}.png`;
  find("photo-tools").hidden = !(file && large);
  button("inside").setAttribute("aria-pressed", String(inside));
  button("jpeg").hidden = !jpeg;
  find("trouble").textContent = trouble || "";
}

// Variants that were not here before.
function open() {
  const { variants, selected, feather, file, large } = current();
  shown = variants;
  chosen = { selected, feather };
  inside = Boolean(file && large);
  find("feather").value = feather;
  find("variants").replaceChildren(...variants.map(tile));
  find("variants").hidden = variants.length < 2;
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

// What is busy says so until the server has answered, with anything else than what was there before.
function ask(event) {
  put({ trouble: "" });
  find("trouble").textContent = find("trouble").dataset.busy;
  event === "inside" ? trigger("inside") : trigger("save");
}

// Show the photograph, of which the server is asked unless it is there already.
function look() {
  const photo = current().inside;
  const there = photo && photo.selected === chosen.selected && photo.feather === chosen.feather;
  if (inside && !there) ask("inside");
}

function choose(change) {
  chosen = { ...chosen, ...change };
  put(change);
  draw();
  look();
}

function save(format) {
  put({ format });
  ask("save");
}

// An answer of the server: show it, and where it is a file, fetch it.
function answer() {
  const { saved, variants, trouble } = current();
  if (variants && String(variants) === String(shown)) put(chosen);
  draw();
  if (saved?.url) {
    put({ saved: null });
    const link = document.createElement("a");
    link.href = saved.url;
    link.download = saved.orig_name;
    link.click();
  }
  if (variants && !trouble) look();
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
answer();
