"""What the page is sent, in the visitor's language: the texts in HTML, in updates of components, and in the layout."""

import contextlib
import functools
import html
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from flowgen.ui.words import ENGLISH, language_of, translate

__all__ = ["in_html", "in_layout", "in_value", "spoken"]

TEXTS = {
    "label",
    "info",
    "placeholder",
    "title",
    "description",
    "caption",
    "remark",
    "trouble",
    "html_template",
}  # properties that are text
PARAGRAPH = re.compile(r"(<(p|h1|h2|h3|h4|li|dd|summary)\b[^>]*>)(.*?)(</\2>)", re.DOTALL)
BETWEEN_TAGS = re.compile(r"(>)([^<>]+)(<)")
ATTRIBUTE = re.compile(r'(\b(?:aria-label|alt|title|placeholder|data-busy|data-failed|data-blind)=")([^"]+)(")')


def spoken(fn: Callable[..., Any]) -> Callable[..., Any]:
    """An event handler, or a generator of its updates, whose answers and refusals are in the visitor's language."""
    if inspect.isgeneratorfunction(fn):

        @functools.wraps(fn)
        def updates(*args: Any) -> Iterator[Any]:
            language = _visitors()
            with contextlib.closing(fn(*args)) as said:
                try:
                    for update in said:
                        yield in_value(update, language)
                except gr.Error as error:
                    raise _refusal(error, language) from None

        return updates

    @functools.wraps(fn)
    def handler(*args: Any) -> Any:
        language = _visitors()
        try:
            return in_value(fn(*args), language)
        except gr.Error as error:
            raise _refusal(error, language) from None

    return handler


def _visitors() -> str:
    """The language of whoever sent the event that is being handled."""
    request = LocalContext.request.get(None)
    if request is None:
        return ENGLISH
    accepted = dict(request.headers).get("accept-language", "")
    return language_of(dict(request.query_params), dict(request.cookies), accepted)


def _refusal(error: gr.Error, language: str) -> gr.Error:
    message, title = _text(str(error.message), language), translate(error.title, language)
    return gr.Error(message, title=title, print_exception=error.print_exception)


def in_html(source: str, language: str) -> str:
    """HTML with its text and the texts of its attributes in a language; addresses and figures stay."""
    if language == ENGLISH:
        return source
    source = PARAGRAPH.sub(lambda found: found[1] + _paragraph(found[3], language) + found[4], source)
    source = BETWEEN_TAGS.sub(lambda found: found[1] + _text(found[2], language) + found[3], source)
    return ATTRIBUTE.sub(lambda found: found[1] + _text(found[2], language) + found[3], source)


def _paragraph(inner: str, language: str) -> str:
    """A sentence of ours may hold <b>; its translation then does too."""
    return translate(inner, language) if "<b>" in inner else inner


def _text(text: str, language: str) -> str:
    stripped = text.strip()
    if not stripped:
        return text
    said = html.escape(translate(html.unescape(" ".join(stripped.split())), language), quote=True)
    return text.replace(stripped, said)


def in_value(value: Any, language: str) -> Any:
    """What an event sends to the page: HTML, updates of components, values of the picture box, and lists of them."""
    if language == ENGLISH:
        return value
    if isinstance(value, str):
        return in_html(value, language) if "<" in value else value
    if isinstance(value, dict):
        return {name: _property(name, inner, language) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(in_value(inner, language) for inner in value)
    return value


def _prop(name: str, value: Any, language: str) -> Any:
    """A component's scripts and styles are no text, however much they look like HTML."""
    return _property(name, value, language) if name in TEXTS | {"value", "choices"} else value


def _property(name: str, value: Any, language: str) -> Any:
    if name in TEXTS and isinstance(value, str):
        return in_html(value, language) if "<" in value else translate(value, language)
    if name == "choices" and value:
        return [_choice(choice, language) for choice in value]
    return in_value(value, language)


def _choice(choice: Any, language: str) -> Any:
    """What is shown of a choice is text, what is sent back is not."""
    shown, sent = choice if isinstance(choice, list | tuple) else (choice, choice)
    return (translate(shown, language), sent) if isinstance(shown, str) else choice


def in_layout(config: dict[str, Any], language: str) -> dict[str, Any]:
    """The page as Gradio describes it to the browser, in a language."""
    if language == ENGLISH:
        return config
    components = []
    for component in config["components"]:
        props = {name: _prop(name, value, language) for name, value in component["props"].items()}
        if component["type"] == "button":
            props["value"] = translate(props["value"], language)
        components.append(component | {"props": props})
    return config | {"components": components}
