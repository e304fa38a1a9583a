// Painting: a brush and an eraser for the hole, ink for a picture drawn from nothing, and what changes the whole hole.

let tool = "brush";
let stroke = null; // what there was before the stroke in progress
let last = null; // where the stroke was
let left = null; // where the keys were when they left the picture

const diameter = () => Number(find("size")?.value || 1);

// The pixels within reach of a point, with their distances from it.
function around(px, py, reach) {
  const found = [];
  for (let y = Math.max(Math.floor(py - reach), 0); y <= Math.min(Math.floor(py + reach), canvas.height - 1); y++)
    for (let x = Math.max(Math.floor(px - reach), 0); x <= Math.min(Math.floor(px + reach), canvas.width - 1); x++)
      found.push([y * canvas.width + x, Math.hypot(x + 0.5 - px, y + 0.5 - py)]);
  return found;
}

// Which pixels a round brush covers, by their distance from the one in its middle; its diameter is odd.
function covered(x, y) {
  const radius = diameter() / 2;
  return around(Math.floor(x) + 0.5, Math.floor(y) + 0.5, radius).flatMap(([i, away]) => (away <= radius ? [i] : []));
}

// Ink has a soft edge, as scanned strokes have.
function ink(x, y) {
  const radius = diameter() / 2;
  for (const [index, away] of around(x, y, radius + 1)) {
    const light = 255 * Math.min(Math.max(radius + 0.5 - away, 0), 1);
    for (let c = 0; c < 3; c++) pixels.data[4 * index + c] = Math.max(pixels.data[4 * index + c], light);
  }
}

function dab(x, y) {
  if (tool === "ink") return ink(x, y);
  for (const index of covered(x, y)) mask[index] = tool === "eraser" ? 0 : 1;
}

function line([x0, y0], [x1, y1]) {
  const steps = Math.ceil(2 * Math.max(Math.abs(x1 - x0), Math.abs(y1 - y0), 0.5));
  for (let t = 0; t <= steps; t++) dab(x0 + ((x1 - x0) * t) / steps, y0 + ((y1 - y0) * t) / steps);
}

function resize(by) {
  const slider = find("size");
  if (slider) slider.value = diameter() + by;
  draw();
}

function hold(name) {
  tool = name;
  for (const each of ["brush", "eraser", "ink"]) button(each)?.setAttribute("aria-pressed", String(each === tool));
}

function startDrawing() {
  find("size").value = 3;
  hold("ink");
}

// The hole, and every pixel that touches it.
function grow() {
  const before = mask.slice();
  before.forEach((hidden, i) => hidden && around((i % canvas.width) + 0.5, Math.floor(i / canvas.width) + 0.5, 1)
    .forEach(([j]) => (mask[j] = 1)));
}

function pointAt(event) {
  const box = canvas.getBoundingClientRect();
  return [
    ((event.clientX - box.left) / box.width) * canvas.width,
    ((event.clientY - box.top) / box.height) * canvas.height,
  ];
}

Object.assign(actions, {
  brush: () => hold("brush"),
  eraser: () => hold("eraser"),
  ink: () => hold("ink"),
  undo: () => travel(past, future),
  redo: () => travel(future, past),
  clear: () => change(() => mask.fill(0)),
  invert: () => change(() => mask.forEach((hidden, i) => (mask[i] = 1 - hidden))),
  grow: () => change(grow),
  peek: () => {
    seeThrough = !seeThrough;
    button("peek").setAttribute("aria-pressed", String(seeThrough));
    draw();
  },
});

if (paintable) {
  canvas.addEventListener("pointerdown", (event) => {
    if (pixels === null || event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    stroke = snapshot();
    last = pointAt(event);
    dab(...last);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    cursor = pointAt(event);
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
  for (const end of ["pointerleave", "blur"])
    canvas.addEventListener(end, () => {
      left = cursor;
      cursor = null;
      draw();
    });
  find("size").addEventListener("input", draw);
}

// Ctrl+Z, Ctrl+Shift+Z or Ctrl+Y anywhere in the picture; [ and ] for the brush; arrows and space to paint without a mouse.
keys.push((event, key) => {
  if (!paintable || pixels === null) return false;
  const command = event.ctrlKey || event.metaKey;
  if (command && key === "z") event.shiftKey ? actions.redo() : actions.undo();
  else if (command && key === "y") actions.redo();
  else if (key === "[" || key === "]") resize(key === "[" ? -2 : 2);
  else return event.target === canvas && paintWithKeys(event.key);
  return true;
});

function paintWithKeys(key) {
  const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (key === " " && cursor) change(() => dab(...cursor));
  if (move) {
    const sides = [canvas.width, canvas.height];
    cursor = (cursor || left || [sides[0] >> 1, sides[1] >> 1]).map((at, axis) =>
      Math.min(Math.max(Math.floor(at) + move[axis], 0), sides[axis] - 1) + 0.5);
    draw();
  }
  return Boolean(move) || (key === " " && cursor !== null);
}
