// The picture a model sees, pixel for pixel, and the hole painted into it.
//
// Runs once for each picture on the page (gr.HTML's js_on_load), with `element`, `props`, `trigger`, `watch` and `upload`.
// props.value, shared with the server:
//   picture  data URL of a PNG at the model's own size, or null
//   mask     a character a pixel, row by row: "1" is to be filled in, "0" is known; "" where nothing is painted
//   file     the upload it was made from, so that another model can look at the same file; or null
//   caption  what the person is told about it
//   seed     of the sample, where it is one; without a picture, of the one to draw

const find = (name) => element.querySelector(`[data-part="${name}"]`);
const canvas = find("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
const HOLE = [240, 87, 45];
const paintable = element.querySelector("[data-do=undo]") !== null;

let pixels = null; // RGBA of the picture at its own size
let mask = new Uint8Array(0);
let past = [];
let future = [];
let erasing = false;
let stroke = null; // the mask before the stroke in progress
let last = null; // where the stroke was
let cursor = null; // [x, y] under the pointer or moved by the arrow keys

const current = () => props.value || {};
const encode = () => (mask.includes(1) ? Array.from(mask).join("") : "");
const diameter = () => Number(find("size")?.value || 1);

function put(change) {
  props.value = { ...current(), ...change };
}

// Which pixels a round brush covers, by their distance from the one in its middle; its diameter is odd.
function covered(x, y) {
  const radius = diameter() / 2;
  const reach = Math.floor(radius);
  const inside = [];
  for (let j = Math.max(y - reach, 0); j <= Math.min(y + reach, canvas.height - 1); j++)
    for (let i = Math.max(x - reach, 0); i <= Math.min(x + reach, canvas.width - 1); i++)
      if ((i - x) ** 2 + (j - y) ** 2 <= radius ** 2) inside.push(j * canvas.width + i);
  return inside;
}

function dab(x, y) {
  for (const index of covered(x, y)) mask[index] = erasing ? 0 : 1;
}

function line([x0, y0], [x1, y1]) {
  const steps = Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 1);
  for (let t = 0; t <= steps; t++) dab(Math.round(x0 + ((x1 - x0) * t) / steps), Math.round(y0 + ((y1 - y0) * t) / steps));
}

function draw() {
  find("stage").classList.toggle("is-empty", pixels === null);
  find("caption").textContent = current().caption || "";
  for (const name of ["undo", "redo"]) {
    const button = element.querySelector(`[data-do=${name}]`);
    if (button) button.disabled = (name === "undo" ? past : future).length === 0;
  }
  if (pixels === null) return;
  const shown = new ImageData(new Uint8ClampedArray(pixels.data), canvas.width, canvas.height);
  const tint = (index, strength) => {
    for (let c = 0; c < 3; c++)
      shown.data[4 * index + c] = (1 - strength) * shown.data[4 * index + c] + strength * HOLE[c];
  };
  mask.forEach((hidden, index) => hidden && tint(index, 0.78));
  if (paintable && cursor) covered(...cursor).forEach((index) => tint(index, 0.35));
  context.putImageData(shown, 0, 0);
  const share = mask.length ? mask.reduce((sum, hidden) => sum + hidden, 0) / mask.length : 0;
  const caption = current().caption || say("Picture");
  canvas.setAttribute("aria-label", say("{caption}; {share} % to be filled in", { caption, share: Math.round(100 * share) }));
}

// Show what the server (or nobody yet) put into props.value.
function load() {
  const { picture, mask: painted } = current();
  past = [];
  future = [];
  if (!picture) {
    pixels = null;
    mask = new Uint8Array(0);
    if (Number.isInteger(current().seed)) trigger("sample"); // a link names the sample
    return draw();
  }
  const image = new Image();
  image.onload = () => {
    canvas.width = image.width;
    canvas.height = image.height;
    context.drawImage(image, 0, 0);
    pixels = context.getImageData(0, 0, image.width, image.height);
    mask = Uint8Array.from({ length: image.width * image.height }, (_, i) => (painted?.[i] === "1" ? 1 : 0));
    draw();
  };
  image.src = picture;
}

function change(edit) {
  if (pixels === null) return;
  const before = mask.slice();
  edit();
  remember(before);
}

function remember(before) {
  past.push(before);
  if (past.length > 100) past.shift();
  future = [];
  put({ mask: encode() });
  draw();
}

function travel(from, to) {
  if (from.length === 0) return;
  to.push(mask.slice());
  mask = from.pop();
  put({ mask: encode() });
  draw();
}

function resize(by) {
  const slider = find("size");
  if (slider) slider.value = diameter() + by;
  draw();
}

function hold(eraser) {
  erasing = eraser;
  for (const name of ["brush", "eraser"])
    element.querySelector(`[data-do=${name}]`)?.setAttribute("aria-pressed", String((name === "eraser") === erasing));
}

const actions = {
  brush: () => hold(false),
  eraser: () => hold(true),
  undo: () => travel(past, future),
  redo: () => travel(future, past),
  clear: () => change(() => mask.fill(0)),
  invert: () => change(() => mask.forEach((hidden, i) => (mask[i] = 1 - hidden))),
  sample: () => trigger("sample"),
};

async function send(file) {
  if (!file) return;
  find("caption").textContent = say("Uploading …");
  try {
    const { path } = await upload(file);
    put({ file: { path, orig_name: file.name, meta: { _type: "gradio.FileData" } } });
    trigger("upload");
  } catch {
    find("caption").textContent = say("This file could not be uploaded; it may be too large.");
  }
}

function pixelAt(event) {
  const box = canvas.getBoundingClientRect();
  const along = (at, from, length, count) => Math.floor(((at - from) / length) * count);
  return [
    along(event.clientX, box.left, box.width, canvas.width),
    along(event.clientY, box.top, box.height, canvas.height),
  ];
}

if (paintable) {
  canvas.addEventListener("pointerdown", (event) => {
    if (pixels === null || event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    stroke = mask.slice();
    last = pixelAt(event);
    dab(...last);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    cursor = pixelAt(event);
    if (stroke) {
      line(last, cursor);
      last = cursor;
    }
    draw();
  });
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, () => {
      if (stroke) remember(stroke);
      stroke = null;
    });
  canvas.addEventListener("pointerleave", () => {
    cursor = null;
    draw();
  });
}

// Keys: Ctrl+Z, Ctrl+Shift+Z or Ctrl+Y anywhere in the picture; [ and ] for the brush; arrows and space to paint without a mouse.
element.addEventListener("keydown", (event) => {
  if (!paintable || pixels === null) return;
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const key = event.key.toLowerCase();
  const onCanvas = event.target === canvas;
  if ((event.ctrlKey || event.metaKey) && key === "z") event.shiftKey ? actions.redo() : actions.undo();
  else if ((event.ctrlKey || event.metaKey) && key === "y") actions.redo();
  else if (key === "[" || key === "]") resize(key === "[" ? -2 : 2);
  else if (onCanvas && moves[event.key]) {
    const [x, y] = cursor || [canvas.width >> 1, canvas.height >> 1];
    const [dx, dy] = moves[event.key];
    cursor = [Math.min(Math.max(x + dx, 0), canvas.width - 1), Math.min(Math.max(y + dy, 0), canvas.height - 1)];
    draw();
  } else if (onCanvas && key === " " && cursor) change(() => dab(...cursor));
  else return;
  event.preventDefault();
});

element.addEventListener("click", (event) => actions[event.target.closest("[data-do]")?.dataset.do]?.());
find("file").addEventListener("change", (event) => {
  send(event.target.files[0]);
  event.target.value = "";
});
find("size")?.addEventListener("input", draw);
element.addEventListener("paste", (event) => send(event.clipboardData.files[0]));
for (const name of ["dragover", "drop"])
  element.addEventListener(name, (event) => {
    event.preventDefault();
    find("stage").classList.toggle("is-target", name === "dragover");
    if (name === "drop") send(event.dataTransfer.files[0]);
  });
element.addEventListener("dragleave", () => find("stage").classList.remove("is-target"));

watch("value", load);
load();
