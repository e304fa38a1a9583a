"""The page as it is served: in the visitor's language, and with what browsers and shared links tell of it."""

import functools
import html
import json
import re
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowgen.ui.spoken import in_layout
from flowgen.ui.words import COOKIE, ENGLISH, LANGUAGES, language_of, translate

__all__ = ["DESCRIPTION", "Front", "switch"]

HERE = Path(__file__).parent
DESCRIPTION = (
    "Image models whose likelihood is exact: sample them, walk between images, fill in what is missing, and measure."
)
SCRIPTS = ("page.js", "manners.js")
YEAR = 365 * 24 * 3600
CONFIG = re.compile(r"(<script>window\.gradio_config = )(.*?)(;</script>)", re.DOTALL)
SAID = re.compile(r"\bsay\(\s*\"([^\"]+)\"")  # what the scripts of the page ask to be put into its language
FOREIGN = re.compile(r'\s*<meta\s+(?:property="og:|name="twitter:)[^>]*>')  # Gradio's own face, in place of ours
HEAD = """<head>
<meta name="description" content="{description}">
<meta property="og:title" content="FlowGen">
<meta property="og:description" content="{description}">
<meta name="theme-color" content="#f7f5f0" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="#10131a" media="(prefers-color-scheme: dark)">
<script>window.flowgen = {flowgen};
{script}</script>"""


def switch() -> str:
    """Links to the page in each of its languages; whatever else the address says stays."""
    links = (f'<a href="?lang={code}" data-lang="{code}" lang="{code}">{name}</a>' for code, name in LANGUAGES.items())
    return f'<nav class="fg-languages" aria-label="Language">{"".join(links)}</nav>'


class Front:
    """Middleware that puts the page, and nothing else, into the visitor's language.

    Args:
        app: what serves it in English.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the page back until it is whole, and send it on as it is to be."""
        if scope["type"] != "http" or scope["path"] not in ("", "/") or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        request = Request(scope)
        language = language_of(request.query_params, request.cookies, request.headers.get("accept-language", ""))
        start: Message = {}
        body = bytearray()

        async def hold(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                whole = page_in(body.decode(), language).encode() if start["status"] == 200 else bytes(body)
                _announce(start, len(whole), language, remember=request.query_params.get("lang") == language)
                await send(start)
                await send({"type": "http.response.body", "body": whole})

        return await self.app(scope, receive, hold)


def _announce(start: Any, length: int, language: str, *, remember: bool) -> None:
    headers = MutableHeaders(scope=start)
    headers["content-length"] = str(length)
    headers["content-language"] = language
    headers.add_vary_header("Accept-Language, Cookie")
    if remember:
        headers.append("set-cookie", f"{COOKIE}={language}; Path=/; Max-Age={YEAR}; SameSite=Lax")


def page_in(page: str, language: str) -> str:
    """The page in a language: its layout, its head, and the words that its scripts need."""
    said = json.dumps({"language": language, "words": _words(language)}, ensure_ascii=False).replace("<", "\\u003c")
    description = html.escape(translate(DESCRIPTION, language), quote=True)
    script = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    head = HEAD.format(description=description, flowgen=said, script=script)
    page = FOREIGN.sub("", page).replace("<head>", head, 1)
    page = page.replace('lang="en"', f'lang="{language}"', 1)
    return page if language == ENGLISH else CONFIG.sub(lambda found: _config_in(found, language), page, count=1)


@functools.cache
def _words(language: str) -> dict[str, str]:
    """The sentences that scripts say themselves."""
    scripts = [path.read_text(encoding="utf-8") for path in sorted(HERE.glob("*.js"))]
    return {text: translate(text, language) for script in scripts for text in SAID.findall(script)}


def _config_in(found: re.Match[str], language: str) -> str:
    config = in_layout(json.loads(found[2]), language)
    return found[1] + json.dumps(config, ensure_ascii=False).replace("<", "\\u003c") + found[3]
