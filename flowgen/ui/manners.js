// What Gradio leaves undone: it says nothing of the place in the queue where anybody sees it, titles every refusal in English,
// leaves a menu open that was left with Tab, and a row of tabs without arrow keys.

(() => {
  const GLANCE = 500; // milliseconds
  const WAITING = /^queue: (\d+)\/\d+ \|\s*(?:([\d.]+)\/([\d.]+)s)?/; // of Gradio's own making, in every language
  const place = document.createElement("p");
  place.className = "fg-place";
  let before = ""; // what the glance before said: who is begun at once is told of no queue

  function tellPlace() {
    const waits = [...document.querySelectorAll(".progress-text")].map((each) => WAITING.exec(each.textContent.trim()));
    const [said, number, passed, whole] = waits.find(Boolean) || [""];
    const seconds = Math.max(1, Math.round(whole - passed));
    const text = whole
      ? say("You are number {place} in the queue, about {seconds} s to go", { place: number, seconds })
      : say("You are number {place} in the queue", { place: number });
    if (said && before) place.textContent = text;
    place.hidden = !(said && before);
    before = said;
  }

  const named = (record) => record.target.querySelectorAll?.(".toast-title.error") || [];
  function nameRefusals(records) {
    for (const title of new Set(records.flatMap((record) => [...named(record)])))
      for (const part of title.childNodes)
        if (part.nodeType === Node.TEXT_NODE && part.data.trim() === "Error") part.data = say("Error");
  }

  // While another choice is on its way, a menu is shut: its old entries would be looked up among the new ones. One that
  // was open opens again.
  const asked = {};
  const open = {};
  window.flowgen.hold = (id, choice, first) => {
    const menu = document.getElementById(id);
    asked[id] ??= first;
    if (!menu || asked[id] === choice) return;
    asked[id] = choice;
    open[id] ||= menu.contains(document.activeElement);
    if (open[id]) document.activeElement.blur();
    menu.inert = true;
    setTimeout(() => window.flowgen.release(id), 20 * GLANCE);
  };
  window.flowgen.release = (id) => {
    const menu = document.getElementById(id);
    if (!menu?.inert) return;
    menu.inert = false;
    if (open[id]) menu.querySelector("input").focus();
    open[id] = false;
  };

  // Gradio's own answer to the key would open the list that leaving closes.
  function closeMenu(event) {
    if (event.key === "Tab" && event.target.matches?.('input[role="combobox"]')) event.stopPropagation();
  }

  function nextTab(event) {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!way || !event.target.matches?.('[role="tab"]')) return;
    const tabs = [...event.target.parentElement.querySelectorAll('[role="tab"]')];
    const next = tabs[(tabs.indexOf(event.target) + way + tabs.length) % tabs.length];
    next.focus();
    next.click();
  }

  document.addEventListener("keydown", closeMenu, true);
  document.addEventListener("keydown", nextTab);
  document.addEventListener("DOMContentLoaded", () => {
    document.body.append(place);
    place.hidden = true;
    setInterval(tellPlace, GLANCE);
    new MutationObserver(nameRefusals).observe(document.body, { childList: true, subtree: true });
  });
})();
