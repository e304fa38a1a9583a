"""Controls and results that outlive the page: a refresh loses nothing, and a link sets controls for somebody else."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.context import Context
from gradio.events import Dependency

from flowgen.errors import FlowgenError
from flowgen.ui import arguments
from flowgen.ui.events import on_page

__all__ = ["Asked", "keep", "keep_result", "keep_tab"]


class Asked:
    """What the browser remembers of a tab, or a link asks of it: value by value a stranger's word.

    Args:
        sent: by page.js: {"link": whether a link asks, "values": by name}.

    Attributes:
        link: whether a link asks.
        refusals: why values were passed over, a sentence each.
    """

    def __init__(self, sent: Any) -> None:
        known = sent if isinstance(sent, dict) else {}
        values = known.get("values")
        self.link = known.get("link") is True
        self.values: dict[str, Any] = values if isinstance(values, dict) else {}
        self.refusals: list[str] = []

    def get(self, name: str, check: Callable[[Any], Any], otherwise: Any) -> Any:
        """A value that `check` lets pass, or another."""
        if self.values.get(name) is None:
            return otherwise
        try:
            return check(self.values[name])
        except FlowgenError as error:
            self.refusals.append(str(error))
            return otherwise

    def of(self, name: str, control: Component) -> Any:
        """A value that the control could have, or the one that it has."""
        return self.get(name, lambda value: fitting(name, value, control), control.value)


def fitting(name: str, value: Any, control: Component) -> Any:
    """A value that a control could have.

    Raises:
        BadArgument: for any other.
    """
    if isinstance(control, gr.Dropdown | gr.Radio):
        return arguments.choice(name, str(value), [str(sent) for _, sent in control.choices])
    if isinstance(control, gr.Checkbox):
        return arguments.choice(name, str(value), ["True", "False"]) == "True"
    assert isinstance(control, gr.Slider | gr.Number)
    low, high = control.minimum or 0, 1e12 if control.maximum is None else control.maximum
    if control.step == 1 if isinstance(control, gr.Slider) else control.precision == 0:
        return arguments.whole(name, value, int(low), int(high))
    return arguments.number(name, value, low, high)


def keep(
    tab: str, controls: Mapping[str, Component], restore: Callable[[Any], Any], outputs: Sequence[Block]
) -> Dependency | None:
    """Have the browser remember a tab's controls from when the page was loaded and `restore` has set them.

    Args:
        tab: its name.
        controls: to remember, by the names that links use.
        restore: takes what `Asked` takes, and gives an update for each of the outputs.
        outputs: that it sets.

    Returns:
        Dependency: what happens when they are set, or None for a tab outside a page.
    """
    page = Context.root_block
    if page is None:
        return None
    sent, names, quoted = gr.JSON(visible=False), json.dumps(list(controls)), json.dumps(tab)
    restored = on_page(page.load, restore, sent, outputs, js=f"() => flowgen.kept({quoted})")
    restored.then(None, js=f"() => flowgen.ready({quoted})", api_visibility="private")
    changes = [control.change for control in controls.values()]  # type: ignore[attr-defined]
    remember = f"(...values) => {{ flowgen.keep({quoted}, {names}, values); }}"
    gr.on(changes, None, list(controls.values()), js=remember, api_visibility="private", show_progress="hidden")
    return restored


def keep_result(
    tab: str, restored: Dependency | None, results: Sequence[Block], finished: Sequence[Callable[..., Dependency]]
) -> None:
    """Have the browser remember a tab's last result, and show it again once the tab is restored.

    It never leaves the browser: a server that was to send it back would show whatever it was sent.

    Args:
        tab: its name.
        restored: as `keep` gave it.
        results: what shows them.
        finished: the events that leave one; blanks are none.
    """
    if restored is None:
        return
    quoted, blocks = json.dumps(tab), list(results)
    remember = f"(...parts) => {{ flowgen.keepResult({quoted}, parts); }}"
    for event in finished:
        event(None, blocks, None, js=remember, api_visibility="private", show_progress="hidden")
    again = f"(...shown) => flowgen.keptResult({quoted}, shown)"
    restored.then(None, blocks, blocks, js=again, api_visibility="private", show_progress="hidden")


def keep_tab(tabs: gr.Tabs, each: Mapping[str, gr.Tab]) -> None:
    """Have the browser remember which tab was open."""

    def choose(name: Any) -> Any:
        return gr.update(selected=name) if isinstance(name, str) and name in each else gr.skip()

    page = Context.root_block
    assert page is not None
    for name, tab in each.items():
        tab.select(None, js=f"() => flowgen.choose({json.dumps(name)})", api_visibility="private")
    chosen = on_page(page.load, choose, gr.JSON(visible=False), tabs, js="() => flowgen.chosen()")
    chosen.then(None, js='() => flowgen.ready("tabs")', api_visibility="private")
