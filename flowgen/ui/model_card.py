"""A model's card: what it is, what it costs, how it was made, and samples at several temperatures."""

import html
from collections.abc import Mapping

from flowgen.checkpoint import Meta
from flowgen.errors import FlowgenError
from flowgen.library import Library
from flowgen.ui import view

__all__ = ["TEMPERATURES", "card"]

TEMPERATURES = (0.5, 0.7, 0.85, 1.0)

KINDS = {
    "nice": "a flow of additive couplings: it moves one half of an image by what it sees in the other",
    "realnvp": "a flow of affine couplings: it moves and stretches one half of an image by what it sees in the other",
    "glow": "a flow of couplings between learned 1 x 1 convolutions, at several scales",
    "pixelcnn": "draws pixel after pixel, each from those above and to its left",
    "gated_pixelcnn": "draws pixel after pixel, each from all above and to its left, through gates",
}


def card(library: Library, name: str, fingerprint: str, sheets: Mapping[float, bytes]) -> str:
    """The card of a model, or a sentence in its place if its file is damaged.

    Args:
        library: the models.
        name: of the model.
        fingerprint: SHA-256 of its file.
        sheets: PNGs of samples by their temperature, as far as there are any.
    """
    try:
        body = _body(library, library.describe(name), fingerprint, sheets)
    except FlowgenError as error:
        body = f'<h3>{html.escape(name)}</h3><p class="fg-broken">{html.escape(str(error))}</p>'
    return f'<article class="fg-card" data-model="{html.escape(name, quote=True)}">{body}</article>'


def _body(library: Library, meta: Meta, fingerprint: str, sheets: Mapping[float, bytes]) -> str:
    facts = "".join(
        f"<div><dt>{name}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in _facts(library, meta, fingerprint).items()
    )
    draw = ""
    if len(sheets) < len(TEMPERATURES):
        text = "Draw the others" if sheets else "Show samples"
        draw = f'<button type="button" class="fg-tool" data-do="sample">{text}</button>'
    use = '<button type="button" class="fg-tool" data-do="choose">Use in Generate</button>'
    return (
        f"<h3>{html.escape(meta.name)}</h3><p>{html.escape(KINDS.get(meta.recipe, meta.recipe))}</p>{_figure(meta)}"
        f'<dl>{facts}</dl><div class="fg-tools">{draw}{use}</div>{_samples(meta.name, sheets)}'
    )


def _figure(meta: Meta) -> str:
    if meta.bits_per_dim is None:
        return '<p class="fg-figure"><span>not measured yet; `flowgen evaluate --record` does</span></p>'
    error = "" if meta.standard_error is None else f" ± {meta.standard_error:.4f}"
    protocol = html.escape(_spelled(meta.protocol))
    return f'<p class="fg-figure"><b>{meta.bits_per_dim:.4f}</b> bits/dim{error}<span>{protocol}</span></p>'


def _spelled(protocol: str) -> str:
    """What `flowgen evaluate --record` notes of how it measured, in words; other words as they stand."""
    match protocol.replace(",", "").split():
        case [number, "test", "images", "dequantization", "none", *_]:
            return f"on {int(number):,} test images, exact"
        case [number, "test", "images", "dequantization", dequantization, "importance", "samples", draws]:
            return (
                f"on {int(number):,} test images, a bound by {dequantization} dequantization, draws an image: {draws}"
            )
    return protocol


def _facts(library: Library, meta: Meta, fingerprint: str) -> dict[str, str]:
    channels, height, width = meta.event_shape
    seen = f"{width} x {height} {'gray' if channels == 1 else 'colour'}, {meta.levels} levels"
    size = library.version(meta.name)[1]
    return {
        "data": f"{meta.dataset.replace('_', ' ') or 'unknown'}, {seen}",
        "size": f"{library.count_numbers(meta.name):,} numbers, {size / 1e6:.1f} MB",
        "trained": f"{meta.hours:.2f} h, {meta.steps:,} steps",
        "seen": f"{meta.images_seen:,} images",
        "on": meta.processor or "unknown",
        "licence": meta.licence,
        "sha256": f"{fingerprint[:12]}…",
    }


def _samples(name: str, sheets: Mapping[float, bytes]) -> str:
    rows = "".join(
        f"<figure>{view.picture(sheet, f'samples of {name} at temperature {temperature:g}')}"
        f"<figcaption>T = {temperature:g}</figcaption></figure>"
        for temperature, sheet in sheets.items()
    )
    return f'<div class="fg-sheets">{rows}</div>' if rows else ""
