"""Who a visitor is: the page's session, and a secret of the browser that is in no address and no log.

The session hash is the page's own word, made up by a script, and stands in addresses that proxies write down. What acts
on a visitor's runs therefore asks for a cookie besides, which scripts cannot read. Where cookies are off, as in a frame
on another site, the hash has to do.
"""

import secrets
from http.cookies import SimpleCookie

import gradio as gr

__all__ = ["COOKIE", "new_cookie", "visitor"]

COOKIE = "flowgen_visitor"
SECONDS = 30 * 24 * 3600


def visitor(request: gr.Request) -> str:
    """The session and the browser's secret."""
    return f"{request.session_hash or ''} {request.cookies.get(COOKIE, '')}"


def new_cookie() -> str:
    """The value of a Set-Cookie header that gives a browser its secret."""
    cookie = SimpleCookie({COOKIE: secrets.token_urlsafe(16)})
    for name, value in {"path": "/", "max-age": SECONDS, "httponly": True, "samesite": "Lax"}.items():
        cookie[COOKIE][name] = value
    return cookie[COOKIE].OutputString()
