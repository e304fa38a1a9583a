"""Where chains start: a picture that the model could have drawn itself and that agrees with what is known.

The modes of a flow's density are not pictures: a blank hole and a filled blob are more probable than a digit, pixel by
pixel, though there are so few of them that a sample never is one. What climbs or walks from an arbitrary fill ends
there. So a run begins in the latent space, where plausible pictures are near the origin whatever the density of pixels.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowgen.data.images import midpoints
from flowgen.inference.chains import Randomness, normal_like
from flowgen.inference.kernels.gradient_ascent import GradientAscent
from flowgen.inference.target import Target, hidden_coordinates, latent_target

if TYPE_CHECKING:
    from flowgen.models import ImageModel

__all__ = ["SEARCH", "first_latent", "pixel_position", "search_target"]

SEARCH = GradientAscent(step_size=0.2)
TRUST = 0.5  # how much of the first guess's latent is kept; the rest of it is drawn
SIGMA_LOGIT, SIGMA_PIXEL = 1.0, 0.1  # log-odds vary by about 1 within the cell of a black or a white byte


def search_target(model: "ImageModel", image: Tensor, known: Tensor) -> Target:
    """Latents whose picture agrees with the known pixels, compared where the model has its support.

    Log-odds of the pixels for models of the unit box: there a pixel that is wrong has a slope to follow, and in pixel
    values a black one that should be white has none.
    """
    if model.support == "unit":
        return latent_target(model, image, known, sigma=SIGMA_LOGIT, coordinates=_log_odds)
    return latent_target(model, image, known, sigma=SIGMA_PIXEL, coordinates=lambda x: x)


@torch.no_grad()
def first_latent(model: "ImageModel", image: Tensor, known: Tensor, chains: int, randomness: Randomness) -> Tensor:
    """A first guess for each chain, (chains, d): half the latent of the image with noise in its hole, half drawn.

    The noise has the mean of the known pixels, channel by channel, and is spread widely about it in log-odds.
    """
    x = midpoints(image, model.levels).to(model.prior.anchor)
    x = x.expand(chains, *x.shape)
    mean = (x * known).flatten(2).sum(2) / known.flatten(1).sum(1)
    noise = normal_like(x, randomness)
    fill = torch.sigmoid(torch.logit(mean)[:, :, None, None] + 1.5 * noise)
    w = model.prior.to_normal(model.encode(torch.where(known, x, fill)))
    return TRUST * w + TRUST * normal_like(w, randomness)


@torch.no_grad()
def pixel_position(model: "ImageModel", known: Tensor, w: Tensor) -> Tensor:
    """The hidden pixels of what latents decode to, in logit coordinates: (chains, d) -> (chains, num_hidden).

    They are held between the midpoints of the lowest and the highest level.
    """
    x = model.decode(model.prior.from_normal(w)).flatten(1)[:, hidden_coordinates(known)]
    edge = 0.5 / model.levels
    return torch.logit(x.clamp(edge, 1 - edge))


def _log_odds(x: Tensor) -> Tensor:
    """The logit, finite where float32 rounds a pixel to 0 or 1."""
    return torch.logit(x.clamp(1e-7, 1 - 1e-7))
