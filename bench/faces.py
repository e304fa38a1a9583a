"""How often a public face detector takes a model's samples for faces, beside faces that the model was never shown.

    pip install 'opencv-python-headless<5'
    python bench/faces.py glow-celeba

The detector is the frontal-face cascade that OpenCV 4 ships (Viola and Jones), at its usual settings: a picture counts
if at least one face as wide as a third of it is found, after it is enlarged to 192 pixels.
"""

from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from torch import Tensor

import flowgen
from flowgen.checkpoint import write_atomically
from flowgen.data import CelebA, pictures
from flowgen.inference import draw

CASCADE = "haarcascade_frontalface_default.xml"
SIDE = 192


def accepted(levels: Tensor) -> float:
    """The share of images, (n, 3, h, w) bytes, in which a face is found."""
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + CASCADE)
    found = 0
    for image in levels.permute(0, 2, 3, 1).numpy():
        gray = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        large = cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        found += len(detector.detectMultiScale(large, minSize=(SIDE // 3, SIDE // 3))) > 0
    return found / len(levels)


def main(
    name: str,
    num: Annotated[int, typer.Option(help="samples")] = 500,
    temperature: float = 0.7,
    seed: int = 0,
    output: Annotated[Path | None, typer.Option(help="PNG with the first 48 samples")] = None,
) -> None:
    """Print both shares and their ratio."""
    held_out = CelebA().load("test").levels
    model = flowgen.load(name)
    parts = []
    with torch.no_grad():
        for first in range(0, num, 50):
            *_, (_, levels) = draw(model, min(50, num - first), temperature=temperature, seed=seed + first)
            parts.append(levels.cpu())
    samples = torch.cat(parts)
    theirs, ours = accepted(held_out), accepted(samples)
    typer.echo(f"{CASCADE} of OpenCV {cv2.__version__}")
    typer.echo(f"held-out faces: {theirs:.1%} of {len(held_out)}")
    typer.echo(f"samples of {name} at T={temperature:g}: {ours:.1%} of {num}, {ours / theirs:.1%} as many")
    if output is not None:
        write_atomically(output, pictures.png_bytes(pictures.grid(samples[:48], columns=8)))


if __name__ == "__main__":
    typer.run(main)
