"""Interpolation between two images, in the normal coordinates of a model's prior."""

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from flowgen.data.images import midpoints
from flowgen.errors import FlowgenError
from flowgen.inference.inpaint import check_image

if TYPE_CHECKING:
    from flowgen.models.image_model import ImageModel

__all__ = ["interpolate", "normal_coordinates"]

MAX_FRAMES = 256


@torch.no_grad()
def interpolate(
    model: "ImageModel",
    start: Tensor,
    end: Tensor,
    num_frames: int,
    *,
    path: Literal["spherical", "linear"] = "spherical",
) -> Tensor:
    """The path from one image to another that is a great-circle arc, or a line, in the latent space.

        x_t = decode(F_prior^-1(Phi(w_t))),   w = Phi^-1(F_prior(encode(x)))
        spherical: w_t = (sin((1 - t) a) w_0 + sin(t a) w_1) / sin a,  a the angle between w_0 and w_1
        linear:    w_t = (1 - t) w_0 + t w_1

    In d dimensions the prior lives near the sphere of radius sqrt(d); an arc stays there and a line cuts inside, to
    where pictures are smoother and emptier. Normal coordinates make this true of logistic and uniform priors as well.

    Args:
        start, end: (c, h, w) bytes below `model.levels`.
        num_frames: at least 2; the ends are among them.

    Returns:
        (num_frames, c, h, w) floats in [0, 1], up to the model's own support; the first and the last are the images
        themselves at their bytes' midpoints, not their round trip.

    Raises:
        FlowgenError: for images that are not the model's, too few or many frames, an unknown path, or an image so far
            from what the model has seen that its latent is not finite.
    """
    if path not in ("spherical", "linear"):
        raise FlowgenError(f"There is no path {path!r}; choose spherical or linear.")
    if not 2 <= num_frames <= MAX_FRAMES:
        raise FlowgenError(f"{num_frames} frames were asked for; ask for 2 to {MAX_FRAMES}, both ends included.")
    model = model.frozen()
    ends = torch.stack([check_image(model, start, "start"), check_image(model, end, "end")])
    w = normal_coordinates(model, ends)
    t = torch.linspace(0, 1, num_frames, device=w.device, dtype=w.dtype)[:, None]
    between = (_arc if path == "spherical" else _line)(w[0], w[1], t)
    frames = model.decode(model.prior.from_normal(between))
    frames[0], frames[-1] = midpoints(ends, model.levels).to(frames)
    if not bool(frames.isfinite().all()):
        raise FlowgenError("The model cannot follow this path: one of the images is too unlike what it was trained on.")
    return frames


def normal_coordinates(model: "ImageModel", levels: Tensor) -> Tensor:
    """Images in the normal coordinates of a model's prior, Phi^-1(F_prior(encode(x))): (b, c, h, w) bytes -> (b, d)."""
    anchor = model.prior.anchor
    return model.prior.to_normal(model.encode(midpoints(levels.to(anchor.device), model.levels).to(anchor)))


def _line(w0: Tensor, w1: Tensor, t: Tensor) -> Tensor:
    """(d,), (d,), (n, 1) -> (n, d)."""
    return torch.lerp(w0, w1, t)


def _arc(w0: Tensor, w1: Tensor, t: Tensor) -> Tensor:
    """(d,), (d,), (n, 1) -> (n, d); a line where the angle is 0 or pi and no one arc is meant."""
    cosine = torch.nn.functional.cosine_similarity(w0, w1, dim=0).clamp(-1, 1)
    angle = torch.acos(cosine)
    if torch.sin(angle) < 1e-4:
        return _line(w0, w1, t)
    return (torch.sin((1 - t) * angle) * w0 + torch.sin(t * angle) * w1) / torch.sin(angle)
