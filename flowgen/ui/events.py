"""How the page's events and the endpoints are wired: one queue for all model work, one way to refuse."""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component
from gradio.events import Dependency

from flowgen.ui.job import attended
from flowgen.ui.limits import LIMITS
from flowgen.ui.refusals import polite, validator
from flowgen.ui.spoken import spoken
from flowgen.ui.zerogpu import on_gpu

__all__ = ["MODEL_WORK", "endpoint", "on_page"]

# Whatever computes with a model waits in this one line, so that requests do not fight for the processors.
MODEL_WORK: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": LIMITS.concurrency}

Components = Block | Sequence[Block] | None


def on_page(
    event: Callable[..., Dependency],
    fn: Callable[..., Any],
    inputs: Components,
    outputs: Components,
    *,
    works: bool = False,
    unasked: bool = False,
    latest: bool = False,
    done: Callable[[Any], Any] | None = None,
    js: str | None = None,
) -> Dependency:
    """Run `fn` on an event of the page; it gets the values as they were sent, and checks them itself.

    Gradio's own preprocessing would open an upload before anyone has looked at its size.

    Args:
        works: whether it computes with a model, and therefore waits in line.
        unasked: whether nobody waits for it, so that there is nothing to show meanwhile.
        latest: whether of the events that come while one is answered the last is answered next, and the others not.
        done: makes the outputs of what `fn` returns; in this process, where `fn` may work in another one.
        js: a function of the browser that makes the inputs.
    """
    line = MODEL_WORK if works else {"concurrency_limit": None}
    handler = on_gpu(polite(attended(fn))) if works else polite(attended(fn))
    return event(
        spoken(handler if done is None else _followed(handler, done)),
        inputs,
        outputs,
        preprocess=False,
        show_progress="minimal" if works and not unasked else "hidden",
        trigger_mode="always_last" if latest else None,
        api_name=f"page_{fn.__name__}",  # an endpoint of the same name is to have its name for itself
        api_visibility="private",
        js=js,
        **line,
    )


def _followed(handler: Callable[..., Any], done: Callable[[Any], Any]) -> Callable[..., Any]:
    @functools.wraps(handler)
    def both(*args: Any) -> Any:
        return done(handler(*args))

    return both


def endpoint(
    fn: Callable[..., Any],
    check: Callable[..., Any] | None,
    inputs: Sequence[Component],
    outputs: Sequence[Component],
    *,
    works: bool = True,
) -> None:
    """Offer `fn` over HTTP under its own name; its docstring is the endpoint's description, and that of its
    arguments theirs where it is a tool.

    Args:
        check: takes the same arguments, and raises FlowgenError for what must not even wait in the queue; None where
            any call is in order.
        works: whether it computes with a model, and therefore waits in line.
    """
    line = MODEL_WORK if works else {"concurrency_limit": None}
    gr.on(
        [],
        on_gpu(polite(attended(fn))) if works else polite(attended(fn)),
        list(inputs),
        list(outputs),
        preprocess=False,
        api_name=fn.__name__,
        api_description=(inspect.getdoc(fn) or "").partition("\n\nArgs:")[0],
        validator=validator(check) if check else None,
        **line,
    )
