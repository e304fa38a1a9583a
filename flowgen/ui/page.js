// What the page does in the browser, apart from its pictures; it stands in the head, before everything else.
//
// window.flowgen, made by the server, holds { language, words }; a tab's controls are kept in the browser's own storage, and
// its last result in the browser's own database, so that a refresh loses nothing, and nobody else ever has them.

window.say = (text, fields = {}) =>
  (window.flowgen.words[text] || text).replace(/\{(\w+)\}/g, (_, name) => fields[name] ?? "");

// Gradio's own words follow the browser's language, which here is the visitor's choice.
for (const [name, value] of [
  ["language", window.flowgen.language],
  ["languages", [window.flowgen.language]],
])
  Object.defineProperty(navigator, name, { get: () => value, configurable: true });

(() => {
  const KEY = "flowgen";
  const address = new URLSearchParams(location.search);
  const ready = new Set();
  const early = {};
  let touched = false;

  // A browser may refuse to store; then a refresh forgets, and all else goes on.
  const stored = () => {
    try {
      return JSON.parse(localStorage.getItem(KEY)) || {};
    } catch {
      return {};
    }
  };
  const store = (all) => {
    try {
      localStorage.setItem(KEY, JSON.stringify(all));
    } catch {
      console.info("This browser keeps nothing: a refresh will forget the settings.");
    }
  };

  // An upload is deleted on the server after a while; what the model saw of it is kept nevertheless.
  const withoutLostFiles = async (values) => {
    for (const value of Object.values(values)) {
      if (!value?.file?.path) continue;
      const url = `${window.gradio_config.root}/gradio_api/file=${value.file.path}`;
      const found = await fetch(url, { method: "HEAD" }).catch(() => ({ ok: false }));
      if (!found.ok) value.file = null;
    }
    return values;
  };

  // Results are too large for the storage. One goes back onto the page without passing the server, so that nothing but what
  // this page has shown ever comes back as HTML.
  const database = () =>
    new Promise((resolve, reject) => {
      const opening = indexedDB.open(KEY, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("results");
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
  const results = async (mode, ask) => {
    const opened = await database();
    try {
      return await new Promise((resolve, reject) => {
        const work = opened.transaction("results", mode);
        const asked = ask(work.objectStore("results"));
        work.oncomplete = () => resolve(asked.result);
        work.onabort = () => reject(work.error);
      });
    } finally {
      opened.close();
    }
  };

  // The link that a tab was opened by, in whatever language, or nothing.
  const linkTo = (tab) => {
    const link = new URLSearchParams(address);
    link.delete("lang");
    return link.get("tab") === tab ? link.toString() : "";
  };
  const isBlank = (part) => !part || (typeof part === "string" && part.startsWith('<div class="fg-blank">'));
  const settled = (part) => (part.variants ? { ...part, inside: null, saved: null } : part); // what is made anew when wanted

  // What a link says: numbers are numbers, all else is text.
  const linked = () =>
    Object.fromEntries(
      [...address].map(([name, value]) => [name, /^-?\d{1,12}(\.\d{1,6})?$/.test(value) ? Number(value) : value]),
    );

  Object.assign(window.flowgen, {
    // What changes before a tab is ready is about to be set to what was kept, unless there was nothing.
    keep(tab, names, values) {
      const now = Object.fromEntries(names.map((name, i) => [name, values[i]]));
      if (ready.has(tab)) store({ ...stored(), [tab]: now });
      else early[tab] = now;
    },
    async kept(tab) {
      if (address.get("tab") === tab) return [{ link: true, values: linked() }];
      return [{ link: false, values: await withoutLostFiles(stored()[tab] || {}) }];
    },
    ready(tab) {
      ready.add(tab);
      if (early[tab] && !stored()[tab] && address.get("tab") !== tab) store({ ...stored(), [tab]: early[tab] });
    },
    async keepResult(tab, parts) {
      if (parts.some(isBlank)) return;
      const result = JSON.stringify({ link: linkTo(tab), parts: parts.map(settled) });
      const tell = (error) => console.info(`This browser does not keep the result, a refresh will forget it: ${error}`);
      try {
        await results("readwrite", (all) => all.put(result, tab));
      } catch (error) {
        tell(error);
        await results("readwrite", (all) => all.delete(tab)).catch(tell); // the one before is no longer the last
      }
    },
    // The result kept of a tab, unless there is another by now, or a link asks for its own.
    async keptResult(tab, shown) {
      const nothing = shown.map(() => undefined);
      try {
        const kept = JSON.parse((await results("readonly", (all) => all.get(tab))) || "null");
        if (!kept || !isBlank(shown[0]) || (linkTo(tab) && linkTo(tab) !== kept.link)) return nothing;
        return await withoutLostFiles(kept.parts);
      } catch (error) {
        console.info(`This browser has kept no result: ${error}`);
        return nothing;
      }
    },
    // Before that, a tab is the page's own first one, unless a hand has chosen it.
    choose: (tab) => void ((ready.has("tabs") || touched) && store({ ...stored(), tab })),
    chosen: () => [address.get("tab") || stored().tab || ""],
  });

  document.addEventListener("click", (event) => void (touched ||= Boolean(event.target.closest("[role=tab]"))), true);

  document.addEventListener("click", (event) => {
    const language = event.target.closest("a[data-lang]");
    const link = event.target.closest("a[data-copy]");
    if (language) {
      event.preventDefault();
      address.set("lang", language.dataset.lang);
      location.search = address;
    } else if (link && navigator.clipboard) {
      event.preventDefault();
      navigator.clipboard.writeText(link.href).then(
        () => (link.textContent = say("Link copied")),
        () => (location.href = link.href),
      );
    }
  });
})();
