// Where pictures and masks come from: a file chosen, dropped or pasted, the camera, a sample, or a sheet to draw on.

const tell = (name) => (find("trouble").textContent = find("trouble").dataset[name]);
let lens = null; // the camera's picture, while it is on

async function send(file, as = "upload") {
  if (!file) return;
  tell("busy");
  try {
    const { path } = await upload(file);
    put({ [as]: { path, orig_name: file.name, meta: { _type: "gradio.FileData" } } });
    as === "upload" ? trigger("upload") : trigger("mask");
  } catch {
    tell("failed");
  }
}

function lookThrough(on) {
  for (const [name, shown] of [["camera", !on], ["take", on], ["leave", on]]) button(name).hidden = !shown;
  find("stage").classList.toggle("is-live", on);
}

async function openCamera() {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    lens = find("lens");
    lens.srcObject = stream;
    await lens.play();
    lookThrough(true);
    button("take").focus();
  } catch {
    tell("blind");
  }
}

function closeCamera() {
  lens?.srcObject.getTracks().forEach((track) => track.stop());
  lens = null;
  lookThrough(false);
  button("camera").focus();
}

function takePicture() {
  const sheet = document.createElement("canvas");
  sheet.width = lens.videoWidth;
  sheet.height = lens.videoHeight;
  sheet.getContext("2d").drawImage(lens, 0, 0);
  closeCamera();
  sheet.toBlob((blob) => send(new File([blob], "camera.png", { type: "image/png" })), "image/png");
}

Object.assign(actions, {
  sample: () => trigger("sample"),
  blank: () => trigger("blank"),
  swap: () => trigger("swap"),
  camera: openCamera,
  take: takePicture,
  leave: closeCamera,
});
keys.push((event, key) => key === "escape" && lens !== null && (closeCamera(), true));

navigator.mediaDevices?.enumerateDevices().then((devices) => {
  button("camera").hidden = !devices.some((device) => device.kind === "videoinput");
});

for (const name of ["file", "mask-file"])
  find(name)?.addEventListener("change", (event) => {
    send(event.target.files[0], name === "file" ? "upload" : "mask_file");
    event.target.value = "";
  });
element.addEventListener("paste", (event) => send(event.clipboardData.files[0]));
for (const name of ["dragover", "drop"])
  element.addEventListener(name, (event) => {
    event.preventDefault();
    const onMask = event.target.closest("[data-part=mask-drop]") !== null;
    find("stage").classList.toggle("is-target", name === "dragover" && !onMask);
    find("mask-drop")?.classList.toggle("is-target", name === "dragover" && onMask);
    if (name === "drop") send(event.dataTransfer.files[0], onMask ? "mask_file" : "upload");
  });
element.addEventListener("dragleave", () => {
  for (const name of ["stage", "mask-drop"]) find(name)?.classList.remove("is-target");
});
