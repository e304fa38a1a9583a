"""Targets: what a chain explores, and how its unknowns become a picture again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from flowgen.data.images import dequantize, midpoints, to_bytes
from flowgen.density import Density, StandardLogistic, StandardNormal
from flowgen.inference.chains import Randomness, uniform_like

if TYPE_CHECKING:
    from flowgen.models.image_model import ImageModel

__all__ = ["Levels", "Reals", "Space", "Target", "augmented_target", "latent_target", "pixel_target"]


@dataclass(frozen=True)
class Reals:
    """Unknowns u in R^dim, in which log_density has a gradient."""

    dim: int


@dataclass(frozen=True)
class Levels:
    """Unknowns in {0, ..., levels - 1}^dim."""

    dim: int
    levels: int


Space = Reals | Levels


@dataclass(frozen=True)
class Target:
    """An unnormalised density over unknowns; its batch axis is the chains.

        log_density(u, beta) = log reference(u) + beta * log_likelihood(u)

    Args:
        log_likelihood: (chains, dim) -> (chains,), in nats.
        reference: what is left at beta = 0, and can be sampled; None stands for the constant 1.
        space: where u lives; a kernel declares which spaces it serves.
        to_image: (chains, dim) -> (chains, c, h, w) uint8 whole images, the known pixels untouched.
        dequantized: (chains, randomness) -> the target with its known bytes at values drawn anew within their levels,
            for each chain others; None where nothing known is drawn.
    """

    log_likelihood: Callable[[Tensor], Tensor]
    reference: Density | None
    space: Space
    to_image: Callable[[Tensor], Tensor]
    dequantized: "Callable[[int, Randomness], Target] | None" = None

    def log_density(self, u: Tensor, beta: float | Tensor = 1.0) -> Tensor:
        """Log-density in nats, up to a constant: (chains, dim) -> (chains,). Gradients flow to u.

        Beta is one number, or (chains,).
        """
        likelihood = beta * self.log_likelihood(u)
        return likelihood if self.reference is None else self.reference.log_prob(u) + likelihood


def pixel_target(model: "ImageModel", image: Tensor, known: Tensor, *, jacobian: bool = True) -> Target:
    """The hidden pixels given the known ones, exactly: p(x_hidden | x_known), in logit coordinates.

        x_hidden = m + (1 - 2 m) sigmoid(u),   x_known = (k + 1/2) / L
        log_density(u) = log p(x) + sum log sigmoid(u) + log sigmoid(-u),   m = 0          with the Jacobian
        log_density(u) = log p(x),                                          m = 1 / (2 L)  without

    Only hidden coordinates move; the known bytes stand at their midpoints. A model of all of R^d is treated as one of
    the unit box: the density is then p(x_hidden | x_known, 0 < x_hidden < 1), conditioned on what is known of every
    picture, that its pixels are intensities. Moving outside would spend the chain on values that no byte stands for,
    and clamping them afterwards would pile up mass on black and white that the model never put there.

    The Jacobian's sum is the log-density of a standard logistic, the law of u when each pixel is uniform: it is the
    target's reference, and tempering goes from uniform noise (beta = 0) to the posterior (beta = 1).

    Args:
        model: gives log_prob of (b, c, h, w) in [0, 1], with respect to Lebesgue measure on pixels.
        image: (c, h, w) bytes below `model.levels`.
        known: (c, h, w) bool, True where observed.
        jacobian: False gives the density of pixel values, whose maximum is the most probable completion (MAP), between
            the midpoints of the lowest and the highest level. Beyond these no byte has its midpoint, and there a logit
            flow's density of pixels grows towards 0 and 1 without a visible difference, to a maximum that means
            nothing. It is not the density of u: chains that sample need the Jacobian.
    """
    anchor, shape = model.prior.anchor, tuple(image.shape)
    levels = image.to(anchor.device, torch.uint8).flatten()
    hidden = hidden_coordinates(known).to(anchor.device)
    canvas = midpoints(levels, model.levels).to(anchor)
    margin = 0.0 if jacobian else 0.5 / model.levels

    def pixels(u: Tensor) -> Tensor:
        return margin + (1 - 2 * margin) * torch.sigmoid(u)

    def given(canvas: Tensor, u: Tensor) -> Tensor:
        x = canvas.expand(u.shape[0], -1).index_copy(1, hidden, pixels(u))
        return model.log_prob(x.unflatten(1, shape))

    def dequantized(chains: int, randomness: Randomness) -> Target:
        noise = uniform_like(canvas.expand(chains, -1), randomness)
        return replace(target, log_likelihood=partial(given, dequantize(levels, noise, model.levels)))

    def to_image(u: Tensor) -> Tensor:
        filled = to_bytes(pixels(u.detach()), model.levels)
        return cast(Tensor, levels.expand(u.shape[0], -1).index_copy(1, hidden, filled).unflatten(1, shape))

    reference = StandardLogistic((len(hidden),)).to(anchor) if jacobian else None
    target = Target(partial(given, canvas), reference, Reals(len(hidden)), to_image, dequantized)
    return target


def latent_target(
    model: "ImageModel", image: Tensor, known: Tensor, *, sigma: float, coordinates: Callable[[Tensor], Tensor]
) -> Target:
    """Latents whose picture agrees with the known pixels up to noise: N(w; 0, 1) N(c(x_known); c(G(w)_known), sigma^2).

        log_density(w) = -1/2 |w|^2 - 1/(2 sigma^2) sum_known (c(x) - c(G(w)))^2

    w are the normal coordinates of the prior and G decodes, so no log-determinant is needed: the prior carries it.

    Args:
        model: gives decode, and a prior with from_normal.
        image: (c, h, w) bytes below `model.levels`.
        known: (c, h, w) bool, True where observed.
        sigma: the noise's standard deviation, in the coordinates of the comparison.
        coordinates: c, elementwise; log-odds or pixel values.
    """
    return _latents(model, image, known, _agreement(model, image, known, sigma, coordinates))


def augmented_target(
    model: "ImageModel", image: Tensor, known: Tensor, *, sigma: float, coordinates: Callable[[Tensor], Tensor]
) -> Target:
    """The hidden pixels given the known ones, exactly, in the latent space and for every sigma.

        density(w) = p(x_hidden, x_known) N(c(G(w)_known); c(x_known), sigma^2) |det dG/dw|,   x_hidden = G(w)_hidden

    In pixels it is p(x_hidden, x_known) times a density of G(w)_known alone, of which nothing comes back: whatever
    sigma and c, what is left of x_hidden is p(x_hidden | x_known). Sigma decides how fast: a small one holds the
    chain to short steps, and one wider than the model's own idea of the known pixels sends it into tails that
    proposals from the reference seldom reach. Since p(G(w)) |det dG/dw| is N(w; 0, I), no determinant is worked out:

        log_likelihood(w) = log p(x_hidden, x_known) - log p(G(w)) - 1/(2 sigma^2) sum_known (c(x) - c(G(w)))^2 - log C

    where C is the integral of the last exponential over all that could stand in, so that the evidence is p(known);
    with the standard normal as its reference, at the cost of decoding and a batch of two passes. A model of all of R^d
    is left as it is, with values beyond [0, 1] that are shown as the nearest byte.

    Args:
        model: gives decode and log_prob, and a prior with from_normal.
        image: (c, h, w) bytes below `model.levels`.
        known: (c, h, w) bool, True where observed.
        sigma: the standard deviation of what stands in for the known pixels, in the coordinates of the comparison.
        coordinates: c, elementwise; log-odds or pixel values.
    References:
        Projected Latent Markov Chain Monte Carlo (Cannella et al., 2021), arXiv:2007.06140
    """
    anchor = model.prior.anchor
    mask, observed = known.to(anchor.device), midpoints(image, model.levels).to(anchor)
    agreement = _agreement(model, image, known, sigma, coordinates)
    log_constant = (_log_stand_ins(model, observed, sigma, coordinates) * mask).sum()

    def weigh(x: Tensor) -> Tensor:
        completed, decoded = model.log_prob(torch.cat([torch.where(mask, observed, x), x])).chunk(2)
        return completed - decoded + agreement(x) - log_constant

    return _latents(model, image, known, weigh)


def _agreement(
    model: "ImageModel", image: Tensor, known: Tensor, sigma: float, coordinates: Callable[[Tensor], Tensor]
) -> Callable[[Tensor], Tensor]:
    """How well pictures (b, c, h, w) agree with the known pixels, (b,): the log of N(c(x_known); c(known), sigma^2)."""
    anchor = model.prior.anchor
    mask, observed = known.to(anchor.device), coordinates(midpoints(image, model.levels).to(anchor))

    def agreement(x: Tensor) -> Tensor:
        return -0.5 * ((coordinates(x) - observed) * mask / sigma).square().flatten(1).sum(1)

    return agreement


def _log_stand_ins(
    model: "ImageModel", observed: Tensor, sigma: float, coordinates: Callable[[Tensor], Tensor]
) -> Tensor:
    """For each pixel, log of the integral over the model's support of exp(-(c(v) - c(x))^2 / (2 sigma^2)) dv."""
    t = torch.linspace(-40, 40, 4001, dtype=torch.float64, device=observed.device)
    if model.support == "unit":
        v, width = torch.sigmoid(t), torch.sigmoid(t) * torch.sigmoid(-t)
    else:
        v, width = 0.5 + t * (0.5 + 10 * sigma) / 40, torch.full_like(t, (0.5 + 10 * sigma) / 40)
    off = (coordinates(v) - coordinates(observed.double())[..., None]) / sigma
    return ((-0.5 * off.square()).exp() * width).sum(-1).mul(t[1] - t[0]).log().to(observed)


def _latents(model: "ImageModel", image: Tensor, known: Tensor, weigh: Callable[[Tensor], Tensor]) -> Target:
    """Normal coordinates of the prior, standard normal but for the log-weight (b,) of the pictures that they decode to.

    Of the pictures, hidden pixels are shown, among the known bytes.
    """
    anchor = model.prior.anchor
    levels, mask = image.to(anchor.device, torch.uint8), known.to(anchor.device)

    def picture(w: Tensor) -> Tensor:
        return model.decode(model.prior.from_normal(w))

    def to_image(w: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.where(mask, levels, to_bytes(picture(w), model.levels))

    dim = mask.numel()
    return Target(lambda w: weigh(picture(w)), StandardNormal((dim,)).to(anchor), Reals(dim), to_image)


def hidden_coordinates(known: Tensor) -> Tensor:
    """The flat indices of what is not known, (num_hidden,)."""
    return (~known).flatten().nonzero().squeeze(1)
