// The cards of the models. Runs once (gr.HTML's js_on_load), with `element`, `props`, `trigger` and `watch`.
// props.value, shared with the server:
//   html   the cards
//   shown  the names of the models whose samples are shown
//   asked  the model whose button was pressed last

const cards = element.querySelector("[data-part=cards]");

function draw() {
  cards.innerHTML = props.value?.html || "";
}

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  const name = button.closest("[data-model]").dataset.model;
  if (button.dataset.do === "sample") {
    button.disabled = true;
    button.textContent = say("Drawing …");
  }
  props.value = { ...props.value, asked: name };
  trigger(button.dataset.do === "sample" ? "sample" : "choose");
});

watch("value", draw);
draw();
