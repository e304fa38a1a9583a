// The last part: buttons and keys find their actions, and the picture is shown.

element.addEventListener("click", (event) => actions[event.target.closest("[data-do]")?.dataset.do]?.());
element.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if (keys.some((handle) => handle(event, key))) event.preventDefault();
});
watch("value", load);
load();
