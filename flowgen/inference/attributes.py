"""Attributes as directions in a model's noise, and images moved along them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowgen.data.images import midpoints
from flowgen.errors import FlowgenError
from flowgen.inference.inpaint import check_image
from flowgen.inference.interpolate import normal_coordinates

if TYPE_CHECKING:
    from flowgen.models.image_model import ImageModel

__all__ = ["edit", "learn_directions"]

BATCH = 64


@torch.no_grad()
def learn_directions(
    model: "ImageModel",
    levels: Tensor,
    has: Tensor,
    *,
    progress: Callable[[int], object] = lambda done: None,
) -> Tensor:
    """What having an attribute adds to an image's noise, all other attributes being equal.

        w = Phi^-1(F_prior(encode(x))) = b + sum_j has_j d_j + residual,   d by least squares over the images

    Plain differences of the two means, as Glow takes them, also carry whatever else goes with an attribute: who smiles
    in CelebA wears lipstick more often than who does not.

    Args:
        levels: (n, c, h, w) bytes.
        has: (n, k) booleans: which image has which attribute.
        progress: told how many more images are done.

    Returns:
        d, (k, dimensions) on the CPU.

    Raises:
        FlowgenError: if the two do not fit, an attribute is had by all or by none, attributes say the same, or an
            image's noise is not finite.
    """
    if has.shape[:1] != levels.shape[:1] or has.dim() != 2 or has.dtype != torch.bool:
        raise FlowgenError(
            f"Attributes of shape {tuple(has.shape)} do not fit {len(levels)} images: each needs a row of booleans."
        )
    for j, count in enumerate(has.sum(0).tolist()):
        if count in (0, len(has)):
            raise FlowgenError(f"Attribute {j} is had by {count} of {len(has)} images: there is nothing to compare.")
    model = model.frozen()
    given = torch.cat((torch.ones(len(has), 1), has.float()), 1).double()
    moments = torch.zeros(given.shape[1], model.prior.event_shape[0], dtype=torch.float64)
    for rows, part in zip(given.split(BATCH), levels.split(BATCH), strict=True):
        w = normal_coordinates(model, part)
        if not bool(w.isfinite().all()):
            raise FlowgenError("The model cannot encode one of these images: its noise is not finite.")
        moments += rows.T @ w.double().cpu()
        progress(len(part))
    gram = given.T @ given
    if int(torch.linalg.matrix_rank(gram)) < len(gram):
        raise FlowgenError("Some of these attributes say the same of every image; leave one of them out.")
    directions: Tensor = torch.linalg.solve(gram, moments)[1:].float()
    return directions


@torch.no_grad()
def edit(model: "ImageModel", image: Tensor, shifts: Tensor) -> Tensor:
    """An image with its noise moved.

        x_i = decode(F_prior^-1(Phi(w + shift_i))),   w = Phi^-1(F_prior(encode(x)))

    Args:
        image: (c, h, w) bytes below `model.levels`.
        shifts: (n, dimensions), for instance amounts @ directions.

    Returns:
        (n, c, h, w) floats in [0, 1], up to the model's own support; a shift of zero gives the image at its bytes'
        midpoints.

    Raises:
        FlowgenError: for an image that is not the model's, or a result that is not finite.
    References:
        Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma & Dhariwal, 2018), arXiv:1807.03039, section 6
    """
    model = model.frozen()
    levels = check_image(model, image)[None]
    w = normal_coordinates(model, levels)
    x = model.decode(model.prior.from_normal(w + shifts.to(w)))
    x = torch.where((shifts == 0).all(1).to(x.device).view(-1, 1, 1, 1), midpoints(levels, model.levels).to(x), x)
    if not bool(x.isfinite().all()):
        raise FlowgenError("The model cannot go that far with this image: choose smaller amounts.")
    return x
