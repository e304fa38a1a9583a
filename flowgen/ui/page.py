"""The page: a head, the tabs, and how it is served."""

import os
from pathlib import Path

import gradio as gr
from PIL import Image

from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui import TABS, view
from flowgen.ui.cache import make_room, own_folder
from flowgen.ui.front import DESCRIPTION, switch
from flowgen.ui.journal import keep_journal
from flowgen.ui.kept import keep_tab
from flowgen.ui.limits import LIMITS
from flowgen.ui.serving import application
from flowgen.ui.theme import theme
from flowgen.ui.tools import install
from flowgen.ui.work_queue import queue_work

__all__ = ["build", "launch"]

HERE = Path(__file__).parent
SESSIONS = 500  # visitors whose place in the page is remembered; they have no state of their own beyond it
HEAD = """
<header class="fg-head">{logo}<div><h1>FlowGen</h1>
<p>{description}</p>
</div>{switch}</header>
"""


def build(library: Library) -> gr.Blocks:
    """The studio over a library of models."""
    own_folder()
    # What Gradio counts for a dashboard that is off costs more with every call that it remembers.
    os.environ.setdefault("GRADIO_ANALYTICS_MAX_EVENTS", "50")
    page = gr.Blocks(title="FlowGen", analytics_enabled=False, delete_cache=(600, LIMITS.cache_seconds))
    with page:
        logo = (HERE / "favicon.svg").read_text(encoding="utf-8")
        gr.HTML(HEAD.format(logo=logo, description=DESCRIPTION, switch=switch()), apply_default_css=False)
        with gr.Tabs(elem_id="tabs") as tabs:
            each = {}
            for name, tab in TABS.items():
                with gr.Tab(name, id=name, elem_id=f"tab-{name.lower()}") as each[name]:
                    tab(library)
        keep_tab(tabs, each)
        gr.HTML(view.note(house_rules()), elem_id="house-rules", apply_default_css=False)
    queue_work(page)
    return page


def house_rules() -> str:
    """What one may ask for, told before anybody finds out."""
    return (
        f"Pictures of up to {LIMITS.upload_megabytes} MB and {LIMITS.upload_pixels / 1e6:.0f} megapixels are taken, "
        f"and deleted after {LIMITS.cache_seconds / 60:.0f} minutes. Visitors take turns: up to {LIMITS.queue} wait, "
        f"each told the place in the queue, and a run ends after {LIMITS.seconds:.0f} s."
    )


def launch(
    page: gr.Blocks, library: Library, *, host: str | None = None, port: int | None = None, block: bool = True
) -> str:
    """Serve the studio; give its address.

    Args:
        page: as `build` made it.
        library: the models, of which one must load before the studio is ready.
        host, port: by default GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, else 127.0.0.1 and 7860.
        block: wait until interrupted; without it, `page.close()` ends the server.

    Raises:
        FlowgenError: if the port is no number, or taken.
    """
    host = host or os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    port = port or _port(os.environ.get("GRADIO_SERVER_PORT", "7860"))
    make_room()  # what a killed server left behind
    # Pillow refuses twice this many pixels before it decodes them, wherever Gradio opens a picture.
    Image.MAX_IMAGE_PIXELS = LIMITS.upload_pixels // 2
    install()
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            theme=theme(),
            css_paths=HERE / "style.css",
            favicon_path=HERE / "favicon.svg",
            max_file_size=f"{LIMITS.upload_megabytes}mb",
            app_kwargs=application(page, library),
            footer_links=["api"],
            run_history=False,
            enable_monitoring=False,
            mcp_server=True,
            ssr_mode=False,
            show_error=False,
            state_session_capacity=SESSIONS,
            quiet=not block,
        )
    except OSError:
        raise FlowgenError(
            f"Port {port} of {host} is taken, or not to be had; set GRADIO_SERVER_PORT to another one."
        ) from None
    if block:
        keep_journal()
        page.block_thread()
    return address


def _port(text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) < 65536):
        raise FlowgenError(f"GRADIO_SERVER_PORT is {text!r}; it must be a number from 1 to 65535.")
    return int(text)
