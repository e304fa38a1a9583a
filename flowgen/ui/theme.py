"""The studio's look in Gradio's variables; the rest is style.css. The fonts come with Gradio."""

import inspect

import gradio as gr
from gradio.themes.utils.fonts import Font, LocalFont

__all__ = ["theme"]


def theme() -> gr.themes.Base:
    """Gradio's variables in the colours of style.css."""
    # Regular and Bold: of the other weights Gradio ships a part without Latin letters.
    chinese = ["PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC"]
    sans: list[Font | str] = [LocalFont("IBM Plex Sans", weights=(400, 700)), *chinese, "ui-sans-serif", "sans-serif"]
    mono: list[Font | str] = [LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"]
    colours = {
        "body_background_fill": "var(--fg-paper)",
        "background_fill_primary": "var(--fg-panel)",
        "background_fill_secondary": "var(--fg-paper)",
        "body_text_color": "var(--fg-ink)",
        "body_text_color_subdued": "var(--fg-soft)",
        "block_label_text_color": "var(--fg-ink)",
        "block_title_text_color": "var(--fg-ink)",
        "block_info_text_color": "var(--fg-soft)",
        "block_background_fill": "var(--fg-panel)",
        "block_border_color": "var(--fg-line)",
        "border_color_primary": "var(--fg-line)",
        "border_color_accent": "var(--fg-action)",
        "input_background_fill": "var(--fg-paper)",
        "input_border_color": "var(--fg-line)",
        "input_border_color_focus": "var(--fg-action)",
        "slider_color": "var(--fg-action)",
        "color_accent": "var(--fg-action)",
        "link_text_color": "var(--fg-action)",
        "loader_color": "var(--fg-action)",
        "button_primary_background_fill": "var(--fg-action)",
        "button_primary_background_fill_hover": "var(--fg-action)",
        "button_primary_text_color": "var(--fg-panel)",
        "button_primary_border_color": "var(--fg-action)",
        "button_secondary_background_fill": "var(--fg-panel)",
        "button_secondary_background_fill_hover": "var(--fg-panel)",
        "button_secondary_border_color": "var(--fg-line)",
        "button_secondary_text_color": "var(--fg-ink)",
        "button_secondary_text_color_hover": "var(--fg-action)",
        "button_cancel_background_fill": "var(--fg-panel)",
        "button_cancel_background_fill_hover": "var(--fg-panel)",
        "button_cancel_border_color": "var(--fg-hole)",
        "button_cancel_text_color": "var(--fg-hole)",
        "button_cancel_text_color_hover": "var(--fg-hole)",
    }
    dark = set(inspect.signature(gr.themes.Base.set).parameters)
    both = colours | {f"{key}_dark": value for key, value in colours.items() if f"{key}_dark" in dark}
    base = gr.themes.Base(primary_hue="indigo", neutral_hue="slate", font=sans, font_mono=mono)
    return base.set(**both, block_title_text_weight="600", block_title_text_size="14px", block_info_text_size="13px")
