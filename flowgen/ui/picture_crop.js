// The frame on a large photograph: what is inside is what the model sees. It has the model's proportions.
//
// A drag moves it, a corner resizes it, arrows and + and - do both; when it rests, the server looks anew. The hole stays on
// what it was painted over.

const LEAST = 8; // pixels of the photograph: of fewer, a model has nothing to go on
const PATIENCE = 5000; // milliseconds that an answer may take before another is asked for

let frame = null; // [left, upper, width] in the photograph's pixels
let grip = null; // {corner, from: [x, y], frame} while it is dragged
let asked = -Infinity;
let wanted = null;
let resting = 0;

const ratio = () => canvas.height / canvas.width;
const clamp = (value, low, high) => Math.min(Math.max(value, low), Math.max(low, high));
const cropOf = ([left, upper, width]) => [left, upper, left + width, upper + Math.round(width * ratio())];

// Whole pixels, inside the photograph.
function settled([left, upper, width]) {
  const [across, down] = current().size;
  const most = Math.floor(Math.min(across, down / ratio()));
  const size = Math.round(clamp(width, Math.min(LEAST / Math.min(ratio(), 1), most), most));
  const tall = Math.round(size * ratio());
  return [Math.round(clamp(left, 0, across - size)), Math.round(clamp(upper, 0, down - tall)), size];
}

function showFrame() {
  const { file, crop, size } = current();
  const view = file && current().view; // the upload may be gone, while what was seen of it is kept
  if (!button("crop")) return;
  button("crop").hidden = !view;
  if (!view) return openFrame(false);
  if (find("photo").getAttribute("src") !== view) find("photo").src = view;
  asked = -Infinity;
  if (!grip && !wanted) frame = [crop[0], crop[1], crop[2] - crop[0]];
  placeFrame(size);
}

// An answer has come: where the frame has moved meanwhile, ask again.
function followFrame() {
  if (!wanted || !current().crop) return (wanted = null);
  const answered = current().trouble || String(cropOf(wanted)) === String(current().crop);
  if (!answered) return askFor(wanted);
  wanted = null;
  showFrame();
}

function placeFrame([across, down]) {
  const [left, upper, right, lower] = cropOf(frame);
  const place = { left: left / across, top: upper / down, width: (right - left) / across, height: (lower - upper) / down };
  for (const [side, share] of Object.entries(place)) find("frame").style[side] = `${100 * share}%`;
}

function openFrame(open) {
  find("crop").hidden = !open;
  button("crop").setAttribute("aria-pressed", String(open));
  if (open) find("frame").focus();
}

function moveFrame(next) {
  frame = settled(next);
  placeFrame(current().size);
}

// The hole as it lies in another part of the photograph.
function carried(from, to) {
  const [w, h] = [canvas.width, canvas.height];
  return Uint8Array.from({ length: w * h }, (_, i) => {
    const x = to[0] + (((i % w) + 0.5) / w) * (to[2] - to[0]);
    const y = to[1] + ((Math.floor(i / w) + 0.5) / h) * (to[3] - to[1]);
    const column = Math.floor(((x - from[0]) / (from[2] - from[0])) * w);
    const row = Math.floor(((y - from[1]) / (from[3] - from[1])) * h);
    return column >= 0 && column < w && row >= 0 && row < h ? mask[row * w + column] : 0;
  });
}

function askFor(next) {
  wanted = next;
  if (performance.now() - asked < PATIENCE) return; // the answer to the last frame asks for this one
  asked = performance.now();
  const to = cropOf(next);
  const marks = carried(current().crop, to);
  put({ crop: to, mask: marks.includes(1) ? Array.from(marks).join("") : "" });
  trigger("crop");
}

function rest() {
  if (String(cropOf(frame)) !== String(current().crop)) askFor(frame);
}

function dragged(event) {
  const box = find("photo").getBoundingClientRect();
  const scale = current().size[0] / box.width;
  const [dx, dy] = [(event.clientX - grip.from[0]) * scale, (event.clientY - grip.from[1]) * scale];
  const [left, upper, width] = grip.frame;
  if (!grip.corner) return moveFrame([left + dx, upper + dy, width]);
  const [right, down] = [grip.corner.includes("e"), grip.corner.includes("s")];
  const tall = width * ratio();
  const [across, high] = current().size;
  const room = Math.min(right ? across - left : left + width, (down ? high - upper : upper + tall) / ratio());
  const wider = Math.max(right ? dx : -dx, (down ? dy : -dy) / ratio());
  const size = clamp(width + wider, Math.min(LEAST, room), room);
  moveFrame([right ? left : left + width - size, down ? upper : upper + tall - size * ratio(), size]);
}

if (find("frame")) {
  find("crop").addEventListener("dragstart", (event) => event.preventDefault());
  find("frame").addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    find("frame").setPointerCapture(event.pointerId);
    grip = { corner: event.target.dataset.corner, from: [event.clientX, event.clientY], frame };
  });
  find("frame").addEventListener("pointermove", (event) => grip && dragged(event));
  for (const end of ["pointerup", "pointercancel"])
    find("frame").addEventListener(end, () => {
      if (grip) rest();
      grip = null;
    });
}
actions.crop = () => openFrame(find("crop").hidden);

keys.push((event, key) => {
  if (event.target !== find("frame") || !frame) return false;
  if (key === "escape") {
    openFrame(false);
    button("crop").focus();
    return true;
  }
  const step = Math.max(1, Math.round(current().size[0] / 50));
  const [left, upper, width] = frame;
  const next = {
    arrowleft: [left - step, upper, width],
    arrowright: [left + step, upper, width],
    arrowup: [left, upper - step, width],
    arrowdown: [left, upper + step, width],
    "+": [left - step, upper - step, width + 2 * step],
    "=": [left - step, upper - step, width + 2 * step],
    "-": [left + step, upper + step, width - 2 * step],
  }[key];
  if (!next) return false;
  moveFrame(next);
  clearTimeout(resting);
  resting = setTimeout(rest, 300);
  return true;
});
