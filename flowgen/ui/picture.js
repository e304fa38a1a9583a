// The picture a model sees, pixel for pixel, and the hole painted into it.
//
// Runs once for each picture on the page (gr.HTML's js_on_load), with `element`, `props`, `trigger`, `watch` and `upload`,
// in one function with the other picture_*.js files, which add their entries to `actions` and their keys to `keys`.
// props.value, shared with the server:
//   picture  data URL of a PNG at the model's own size, or null
//   mask     a character a pixel, row by row: "1" is to be filled in, "0" is known; "" where nothing is painted
//   file     the upload it was made from, so that another model can look at the same file; or null
//   size     [width, height] of that upload, and crop: [left, upper, right, lower] of the part that the model sees
//   view     data URL of that upload, made small, where the crop can be chosen; or null
//   drawn    true where ink goes onto the picture
//   invert   whether light and dark are to be exchanged, or null for what its border makes one guess; inverted: whether they are
//   remark   what was done to an upload, and what the model takes it for
//   caption  what the person is told about it, and trouble: what went wrong last
//   seed     of the sample, where it is one, and of: its model; without a picture, the seed of the one to draw
// and from the page alone:
//   upload, mask_file  a new picture, and a new mask, for the server to look at

const find = (name) => element.querySelector(`[data-part="${name}"]`);
const button = (name) => element.querySelector(`[data-do="${name}"]`);
const canvas = find("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
const HOLE = [240, 87, 45];
const paintable = button("undo") !== null;
const actions = {};
const keys = [];

let pixels = null; // RGBA of the picture at its own size
let loaded = null; // the picture they were read from
let mask = new Uint8Array(0);
let past = [];
let future = [];
let cursor = null; // [x, y] under the pointer or moved by the arrow keys
let seeThrough = false;

const current = () => props.value || {};
const encode = () => (mask.includes(1) ? Array.from(mask).join("") : "");

function put(change) {
  props.value = { ...current(), ...change };
}

function draw() {
  const { caption, remark, trouble, drawn, file, inverted } = current();
  find("stage").classList.toggle("is-empty", pixels === null);
  find("caption").textContent = caption || "";
  find("remark").textContent = remark || "";
  button("swap").hidden = !file || typeof inverted !== "boolean";
  button("swap").textContent = inverted ? say("Do not invert it") : say("Invert brightness");
  find("trouble").textContent = trouble || "";
  if (!paintable) return paint([]);
  button("undo").disabled = past.length === 0;
  button("redo").disabled = future.length === 0;
  button("ink").hidden = !drawn;
  if (!drawn && tool === "ink") hold("brush");
  paint(cursor ? covered(...cursor) : []);
}

function paint(under) {
  if (pixels === null) return;
  const shown = new ImageData(new Uint8ClampedArray(pixels.data), canvas.width, canvas.height);
  const tint = (index, strength) => {
    for (let c = 0; c < 3; c++)
      shown.data[4 * index + c] = (1 - strength) * shown.data[4 * index + c] + strength * HOLE[c];
  };
  mask.forEach((hidden, index) => hidden && tint(index, seeThrough ? 0.3 : 0.78));
  under.forEach((index) => tint(index, 0.35));
  context.putImageData(shown, 0, 0);
  const share = mask.length ? mask.reduce((sum, hidden) => sum + hidden, 0) / mask.length : 0;
  const caption = current().caption || say("Picture");
  canvas.setAttribute("aria-label", say("{caption}; {share} % to be filled in", { caption, share: Math.round(100 * share) }));
}

// Show what the server (or nobody yet) put into props.value.
function load() {
  const { picture } = current();
  const marks = (length) => {
    const painted = current().mask; // by now, and not by when the picture came
    return Uint8Array.from({ length }, (_, i) => (painted?.[i] === "1" ? 1 : 0));
  };
  showFrame();
  if (picture && picture === loaded) {
    const next = marks(mask.length);
    if (next.some((hidden, i) => hidden !== mask[i])) {
      past.push(snapshot());
      mask = next;
    }
    draw();
    return followFrame();
  }
  past = [];
  future = [];
  loaded = picture;
  if (!picture) {
    pixels = null;
    mask = new Uint8Array(0);
    if (Number.isInteger(current().seed)) trigger("sample"); // a link names the sample
    return draw();
  }
  const image = new Image();
  image.onload = () => {
    if (loaded !== picture) return; // another one has come since
    canvas.width = image.width;
    canvas.height = image.height;
    context.drawImage(image, 0, 0);
    pixels = context.getImageData(0, 0, image.width, image.height);
    mask = marks(image.width * image.height);
    if (current().drawn && past.length === 0 && !current().mask) startDrawing();
    draw();
    followFrame();
  };
  image.src = picture;
}

// The picture with what was drawn onto it, for the server.
function inked() {
  const sheet = document.createElement("canvas");
  sheet.width = canvas.width;
  sheet.height = canvas.height;
  sheet.getContext("2d").putImageData(pixels, 0, 0);
  return sheet.toDataURL("image/png");
}

const snapshot = () => ({ mask: mask.slice(), ink: pixels.data.slice() });

function change(edit) {
  if (pixels === null) return;
  const before = snapshot();
  edit();
  remember(before);
}

function remember(before) {
  past.push(before);
  if (past.length > 100) past.shift();
  future = [];
  share();
}

function travel(from, to) {
  if (from.length === 0) return;
  to.push(snapshot());
  const there = from.pop();
  mask = there.mask;
  pixels.data.set(there.ink);
  share();
}

function share() {
  if (current().drawn) loaded = inked();
  put({ mask: encode(), ...(current().drawn ? { picture: loaded } : {}) });
  draw();
}
