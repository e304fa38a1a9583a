"""Where chains start: a picture that the model could have drawn itself and that agrees with what is known.

The modes of a flow's density are not pictures: a blank hole and a filled blob are more probable than a digit, pixel by
pixel, though there are so few of them that a sample never is one. What climbs or walks from an arbitrary fill ends
there. So a run begins in the latent space, where plausible pictures are near the origin whatever the density of pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowgen.data.images import midpoints
from flowgen.inference.chains import Randomness, normal_like
from flowgen.inference.kernels.gradient_ascent import GradientAscent
from flowgen.inference.target import Target, augmented_target, hidden_coordinates, latent_target

if TYPE_CHECKING:
    from flowgen.models.image_model import ImageModel

__all__ = ["Search"]

SIGMA_LOGIT, SIGMA_PIXEL = 1.0, 0.1  # log-odds vary by about 1 within the cell of a black or a white byte
KEPT, DRAWN = 0.3, 0.3  # of the first guess's latent, and of a draw from the prior; small, since blobs are far out
SPREAD = 1.5  # of the noise in the first guess's hole, in log-odds


@dataclass(frozen=True)
class Search:
    """The ascent, in the latent space, to a picture that agrees with the known pixels.

    Args:
        model: any flow.
        image: (c, h, w) bytes.
        known: (c, h, w) bool, True where observed.
    """

    model: "ImageModel"
    image: Tensor
    known: Tensor

    kernel = GradientAscent(step_size=0.2)

    @cached_property
    def target(self) -> Target:
        """Latents weighed by their prior and by how their picture agrees, compared where the model has its support.

        For models of the unit box that is in log-odds: there a wrong pixel has a slope to follow, and in pixel values
        a black one that should be white has none.
        """
        sigma, coordinates = self._comparison
        return latent_target(self.model, self.image, self.known, sigma=sigma, coordinates=coordinates)

    @cached_property
    def augmented(self) -> Target:
        """The exact posterior in the same latents, by the same comparison: where the search ends, samplers begin."""
        return self.widened(1.0)

    def widened(self, times: float) -> Target:
        """The same posterior with a sigma so many times as wide for what stands in for the known pixels."""
        sigma, coordinates = self._comparison
        return augmented_target(self.model, self.image, self.known, sigma=times * sigma, coordinates=coordinates)

    @property
    def _comparison(self) -> tuple[float, Callable[[Tensor], Tensor]]:
        """Sigma, and the coordinates in which known pixels are compared."""
        if self.model.support == "unit":
            return SIGMA_LOGIT, _log_odds
        return SIGMA_PIXEL, lambda x: x

    @torch.no_grad()
    def first(self, chains: int, randomness: Randomness) -> Tensor:
        """A first guess a chain, (chains, d): a part of the latent of the image with noise in its hole, a part drawn.

        The noise has the mean of the known pixels, channel by channel, and is spread widely about it in log-odds.
        """
        x = midpoints(self.image, self.model.levels).to(self.model.prior.anchor).expand(chains, *self.image.shape)
        mean = (x * self.known).flatten(2).sum(2) / self.known.flatten(1).sum(1)
        fill = torch.sigmoid(torch.logit(mean)[:, :, None, None] + SPREAD * normal_like(x, randomness))
        w = self.model.prior.to_normal(self.model.encode(torch.where(self.known, x, fill)))
        return KEPT * w + DRAWN * normal_like(w, randomness)

    @torch.no_grad()
    def pixels(self, w: Tensor) -> Tensor:
        """The hidden pixels of what latents decode to, in logit coordinates: (chains, d) -> (chains, num_hidden).

        They are held between the midpoints of the lowest and the highest level.
        """
        x = self.model.decode(self.model.prior.from_normal(w)).flatten(1)[:, hidden_coordinates(self.known)]
        edge = 0.5 / self.model.levels
        return torch.logit(x.clamp(edge, 1 - edge))


def _log_odds(x: Tensor) -> Tensor:
    """The logit, finite where float32 rounds a pixel to 0 or 1."""
    return torch.logit(x.clamp(1e-7, 1 - 1e-7))
