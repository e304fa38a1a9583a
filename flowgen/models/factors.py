"""Factors: the distribution of one position of an autoregressive model, given what a net says of it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from flowgen.density import check_temperature
from flowgen.errors import FlowgenError

__all__ = ["FACTORS", "Bernoulli", "Categorical", "Factor", "LogisticMixture", "cdf", "cell", "icdf", "tempered"]

SHARE = 2.0**-44
"""What each level that can occur keeps of [0, 1]: so wide that a float64 next to 1 tells it from its neighbours."""


class Factor(ABC):
    """A distribution over the levels 0 .. levels - 1 of each colour of a pixel, given the pixel's parameters.

    Attributes:
        levels: how many values a colour takes.
    """

    levels: int

    @abstractmethod
    def num_parameters(self, channels: int) -> int:
        """How many numbers a net must give for a pixel of so many colours."""

    @abstractmethod
    def groups(self, channels: int) -> int:
        """How often a net is asked for a pixel: once a colour, or once for all where the factor ties colours itself."""

    @abstractmethod
    def log_prob(self, parameters: Tensor, levels: Tensor) -> Tensor:
        """Log-probabilities in nats: (b, num_parameters, h, w) and (b, c, h, w) integers -> (b, c, h, w)."""

    @abstractmethod
    def log_probs(self, parameters: Tensor, before: Tensor) -> Tensor:
        """Of all levels of one colour, in float64.

        Args:
            parameters: (n, num_parameters / groups) of the colour's group.
            before: the pixel's colours before it, (n, channel) integers.

        Returns:
            (n, levels), in nats; their exponentials sum to 1.
        """


def tempered(log_probs: Tensor, temperature: float) -> Tensor:
    """Log-probabilities at a temperature: log softmax(log p / T); at 0 the mode alone.

    Raises:
        FlowgenError: if the temperature is negative or not finite.
    """
    if check_temperature(temperature) == 1:
        return log_probs
    if temperature == 0:
        mode = F.one_hot(log_probs.argmax(-1), log_probs.shape[-1])
        return torch.where(mode.bool(), 0.0, -math.inf).to(log_probs)
    return torch.log_softmax(log_probs / temperature, -1)


def cdf(log_probs: Tensor) -> Tensor:
    """F(k) for each level, (n, levels), ending in exactly 1.

    Each level that can occur, however rarely, has a step of about SHARE or more, so that its cell is never empty and no
    image lacks a latent; this moves F by less than levels * SHARE.
    """
    sums = torch.where(log_probs > -math.inf, log_probs.exp() + SHARE, 0.0).cumsum(-1)
    return sums / sums[:, -1:]


def icdf(cumulative: Tensor, u: Tensor) -> Tensor:
    """The level k with F(k - 1) <= u < F(k): (n, levels) and (n,) -> (n,) integers."""
    return torch.searchsorted(cumulative, u[:, None].contiguous(), right=True)[:, 0].clamp_max(cumulative.shape[-1] - 1)


def cell(cumulative: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """F(k - 1) and F(k), the ends of what icdf takes to level k: (n, levels) and (n,) integers -> (n,) and (n,)."""
    ends = torch.stack((k - 1, k), 1)
    low, high = cumulative.gather(1, ends.clamp_min(0)).unbind(1)
    return low.masked_fill(k == 0, 0.0), high


class Categorical(Factor):
    """Any distribution over the levels: log p = log softmax(parameters).

    Args:
        levels: how many.
    """

    def __init__(self, levels: int) -> None:
        self.levels = levels

    def num_parameters(self, channels: int) -> int:
        return channels * self.levels

    def groups(self, channels: int) -> int:
        return channels

    def log_prob(self, parameters: Tensor, levels: Tensor) -> Tensor:
        logits = parameters.unflatten(1, (-1, self.levels)).transpose(1, 2)
        return -F.cross_entropy(logits, levels.long(), reduction="none")

    def log_probs(self, parameters: Tensor, before: Tensor) -> Tensor:
        return torch.log_softmax(parameters.double(), -1)


class Bernoulli(Factor):
    """Two levels: log p(1) = log sigmoid(parameter), log p(0) = log sigmoid(-parameter)."""

    def __init__(self, levels: int = 2) -> None:
        if levels != 2:
            raise FlowgenError(f"A Bernoulli pixel has 2 levels, not {levels}; use a categorical one.")
        self.levels = levels

    def num_parameters(self, channels: int) -> int:
        return channels

    def groups(self, channels: int) -> int:
        return channels

    def log_prob(self, parameters: Tensor, levels: Tensor) -> Tensor:
        return F.logsigmoid(torch.where(levels.bool(), parameters, -parameters))

    def log_probs(self, parameters: Tensor, before: Tensor) -> Tensor:
        logit = parameters.double()
        return F.logsigmoid(torch.cat((-logit, logit), -1))


class LogisticMixture(Factor):
    """A mixture of logistics, cut into levels; later colours' means lean on the earlier colours.

        p(k) = sum_i pi_i [sigmoid((e_{k+1} - mu_i) / s_i) - sigmoid((e_k - mu_i) / s_i)],   e_k = 2 k / L - 1
        mu_i of green = m_i + a_i r,   of blue = m_i + b_i r + c_i g,   a, b, c = tanh of a parameter

    with e_0 = -inf and e_L = inf, r and g the centres of the levels of red and green in [-1, 1], and the same pi for
    all colours of a pixel, whose posterior given the earlier colours weighs the later ones. The difference of two
    sigmoids is taken as sigmoid(b) sigmoid(-a) (1 - exp(a - b)) in log space: nothing cancels, and the levels sum to 1.
    A scale stays within [exp(-7), exp(7)]: a level's log-probability is finite whatever the parameters.

    Args:
        levels: L.
        components: how many logistics.
    References:
        PixelCNN++ (Salimans et al., 2017), arXiv:1701.05517
    """

    def __init__(self, levels: int, components: int = 10) -> None:
        self.levels = levels
        self.components = components

    def num_parameters(self, channels: int) -> int:
        return self.components * (1 + 2 * channels + channels * (channels - 1) // 2)

    def groups(self, channels: int) -> int:
        return 1

    def log_prob(self, parameters: Tensor, levels: Tensor) -> Tensor:
        # (b, P, h, w) -> (b, h, w, P): from here on the last axis is a pixel's.
        return self._log_prob(parameters.movedim(1, -1), levels.movedim(1, -1)).movedim(-1, 1)

    def log_probs(self, parameters: Tensor, before: Tensor) -> Tensor:
        every = torch.arange(self.levels, device=before.device).view(1, -1, 1).expand(len(before), -1, 1)
        pixel = torch.cat((before[:, None].expand(-1, self.levels, -1).to(every), every), -1)
        parameters = parameters.double()[:, None]
        return self._log_prob(parameters, pixel, channels=self._channels(parameters))[..., -1]

    def log_density(self, parameters: Tensor, x: Tensor) -> Tensor:
        """The mixture before it is cut, a smooth log-density of pixel values in [0, 1]: shaped as log_prob, in nats."""
        v = 2 * x.movedim(1, -1) - 1
        log_weights, mean, log_scale = self._split(parameters.movedim(1, -1), v, v.shape[-1])
        z = (v[..., None] - mean) * torch.exp(-log_scale)
        part = F.logsigmoid(z) + F.logsigmoid(-z) - log_scale + math.log(2)
        return _mixed(log_weights, part).movedim(-1, 1)

    def _log_prob(self, parameters: Tensor, levels: Tensor, channels: int | None = None) -> Tensor:
        """(..., P) and (..., c') integers -> (..., c'): the chain rule over the colours."""
        v = (2 * levels.to(parameters) + 1) / self.levels - 1  # a byte cannot hold twice a byte
        log_weights, mean, log_scale = self._split(parameters, v, channels or levels.shape[-1])
        width = 2 / self.levels * torch.exp(-log_scale)
        low = ((v - 1 / self.levels)[..., None] - mean) * torch.exp(-log_scale)
        high = low + width
        # Not from low - high, which vanishes where the mean is far away.
        inside = F.logsigmoid(high) + F.logsigmoid(-low) + torch.log(-torch.expm1(-width))
        part = torch.where((levels == self.levels - 1)[..., None], F.logsigmoid(-low), inside)
        part = torch.where((levels == 0)[..., None], F.logsigmoid(high), part)
        return _mixed(log_weights, part)

    def _split(self, parameters: Tensor, v: Tensor, channels: int) -> tuple[Tensor, Tensor, Tensor]:
        """Log-weights (..., m), means and log-scales (..., c', m) of the colours whose earlier ones are in v."""
        weights, means, log_scales, lean = parameters.unflatten(-1, (-1, self.components)).split(
            (1, channels, channels, channels * (channels - 1) // 2), -2
        )
        columns, pair = [], 0
        for channel in range(v.shape[-1]):
            mean = means[..., channel, :].expand(*v.shape[:-1], self.components)
            for earlier in range(channel):
                mean = mean + torch.tanh(lean[..., pair, :]) * v[..., earlier, None]
                pair += 1
            columns.append(mean)
        scales = log_scales[..., : v.shape[-1], :].clamp(-7.0, 7.0)
        return torch.log_softmax(weights[..., 0, :], -1), torch.stack(columns, -2), scales

    def _channels(self, parameters: Tensor) -> int:
        """Number of colours, from the number of parameters."""
        count = parameters.shape[-1] // self.components
        return next(c for c in range(1, count + 1) if 1 + 2 * c + c * (c - 1) // 2 == count)


def _mixed(log_weights: Tensor, part: Tensor) -> Tensor:
    """Log-probability of each colour given those before it: (..., m) and (..., c, m) -> (..., c)."""
    before = torch.cat((torch.zeros_like(part[..., :1, :]), part[..., :-1, :]), -2).cumsum(-2)
    # The components' posterior given the earlier colours, since a difference of two joint log-masses would cancel.
    posterior = torch.log_softmax(log_weights[..., None, :] + before, -1)
    return torch.logsumexp(posterior + part, -1)


FACTORS: dict[str, Callable[[int], Factor]] = {
    "categorical": Categorical,
    "bernoulli": Bernoulli,
    "logistic_mixture": LogisticMixture,
}
