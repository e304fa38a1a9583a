"""An autoregressive model: a causal net and a factor, with exact mass, a latent, and one cached pass for all uses."""

import copy
import math
from collections.abc import Callable, Iterator
from typing import Literal, Self

import torch
from torch import Tensor, nn

from flowgen import rng
from flowgen.data import to_bytes
from flowgen.density import Prior, Uniform, check_temperature
from flowgen.errors import FlowgenError
from flowgen.models.cached_pass import CachedPass
from flowgen.models.factors import Factor, cdf, cell, icdf, tempered
from flowgen.models.image_model import Drawing, check_levels, check_shape
from flowgen.nets.causal_net import CausalNet

__all__ = ["Autoregressive", "Choose"]

AT_ONCE = 32  # images in a pass without gradients on a CPU: more leave its caches and take up to twice as long
Choose = Callable[[tuple[int, int, int], Tensor], Tensor]
"""Given the place (channel, row, column) and log-probabilities (n, levels), the levels there: (n,) integers."""


class Autoregressive(nn.Module):
    """A product of conditionals in raster order, colours within a pixel.

        log_mass(k) = sum_t log p(k_t | k_<t),   log p(x) = log_mass(floor(L x)) + D log L
        encode: u_t = F(k_t - 1) + (L x_t - k_t) p(k_t),   whose log-determinant is log p(x)

    Conditioned on classes, the model alone is their mixture, p(k) = 1/C sum_y p(k | y), and `given(y)` is one of them.

    Args:
        net: gives a factor's parameters for each pixel from the pixels before it.
        factor: the distribution of one position.
        event_shape: (c, h, w).
        num_classes: of the net.
        label: fixes the class.

    Raises:
        FlowgenError: if the event is no image.

    References:
        Closing the Dequantization Gap: PixelCNN as a Single-Layer Flow (Nielsen & Winther, 2020), arXiv:2002.02547
    """

    support: Literal["unit", "reals"] = "unit"
    dequantization = "none"

    def __init__(
        self,
        net: CausalNet,
        factor: Factor,
        event_shape: tuple[int, ...],
        *,
        num_classes: int | None = None,
        label: int | None = None,
    ) -> None:
        super().__init__()
        if len(event_shape) != 3:
            raise FlowgenError(f"Pixels come in raster order, so an event must be (c, h, w), not {tuple(event_shape)}.")
        self.net = net
        self.factor = factor
        self.event_shape = tuple(event_shape)
        self.levels = factor.levels
        self.num_classes = num_classes if label is None else None
        self.label = label
        self.prior: Prior = Uniform((math.prod(event_shape),))

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of pixel values in [0, 1], constant within a level: (b, *event_shape) -> (b,), in nats.

        Raises:
            FlowgenError: if a value is not a number in [0, 1], or the shape is not the model's.
        """
        return self.log_mass(self._to_levels(x)) + math.prod(self.event_shape) * math.log(self.levels)

    def log_mass(self, levels: Tensor, *, num_samples: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """The log-mass of byte images in nats, exactly; nothing is drawn, whatever num_samples says.

        Raises:
            FlowgenError: if the levels are not integers in range of the model's shape.
        """
        check_levels(levels, self.event_shape, self.levels)
        if self.num_classes is None:
            label = None if self.label is None else torch.full((len(levels),), self.label, device=levels.device)
            return self._log_mass(levels, label)
        each = [
            self._log_mass(levels, torch.full_like(levels[:, 0, 0, 0], y, dtype=torch.long)) for y in self._classes()
        ]
        return torch.logsumexp(torch.stack(each), 0) - math.log(self.num_classes)

    def log_conditionals(self, levels: Tensor) -> Tensor:
        """The log-probability of each position given those before it, in nats: (b, *event_shape) of both.

            log p(k_t | k_<t) = log p(k_<=t) - log p(k_<t),   whose sum is log_mass

        A mixture over classes learns on the way which class it has before it: p(k_<=t) = 1/C sum_y p(k_<=t | y).

        Raises:
            FlowgenError: if the levels are not integers in range of the model's shape.
        """
        check_levels(levels, self.event_shape, self.levels)
        if self.num_classes is None:
            label = None if self.label is None else torch.full((len(levels),), self.label, device=levels.device)
            return self._log_conditionals(levels, label)
        labels = (torch.full((len(levels),), y, device=levels.device) for y in self._classes())
        each = torch.stack([self._log_conditionals(levels, label).double() for label in labels])
        in_order = each.permute(0, 1, 3, 4, 2)  # a pixel's colours one after another: (classes, b, h, w, c)
        until = torch.logsumexp(in_order.flatten(2).cumsum(2), 0) - math.log(self.num_classes)
        one_by_one = until.diff(dim=1, prepend=torch.zeros_like(until[:, :1]))
        return one_by_one.view(in_order.shape[1:]).permute(0, 3, 1, 2)

    def bound(self, levels: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """What training maximises, (b,): log_mass given the labels where there are any. It needs no noise.

        Raises:
            FlowgenError: if the levels are no images of the model's, or a label none of its classes.
        """
        if labels is None or self.num_classes is None:
            return self.log_mass(levels)
        check_levels(levels, self.event_shape, self.levels)
        if labels.numel() and (int(labels.min()) < 0 or int(labels.max()) >= self.num_classes):
            raise FlowgenError(
                f"Classes run from 0 to {self.num_classes - 1}, and these from {int(labels.min())} to "
                f"{int(labels.max())}."
            )
        return self._log_mass(levels, labels.long())

    def sample(
        self,
        n: int,
        *,
        temperature: float = 1.0,
        seed: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw pixel values, (n, *event_shape), by decoding uniforms drawn beforehand; at temperature 0, each mode."""
        return self.decode(self._uniforms(n, seed, generator), temperature=temperature)

    def sample_and_log_prob(
        self, n: int, *, seed: int | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Draw pixel values, (n, *event_shape), with their log-densities, (n,)."""
        *_, drawing = self.draw(self._uniforms(n, seed, generator))
        log_prob = drawing.log_prob + math.prod(self.event_shape) * math.log(self.levels)
        return drawing.x.to(self.prior.anchor), log_prob.to(self.prior.anchor)

    def encode(self, x: Tensor) -> Tensor:
        """(b, *event_shape) -> (b, d) in (0, 1), in float64: a level may be rarer than float32 can tell.

        Raises:
            FlowgenError: if a value is not a number in [0, 1], or the shape is not the model's.
        """
        levels = self._to_levels(x).long()
        within = (x.double() * self.levels - levels).clamp(0, 1)
        z = torch.empty_like(within)

        def choose(at: tuple[int, int, int], log_probs: Tensor) -> Tensor:
            k = levels[:, *at]
            low, high = cell(cdf(log_probs), k)
            u = low + within[:, *at] * (high - low)
            z[:, *at] = u.clamp_min(2.0**-1022).minimum(torch.nextafter(high, low))  # rounding must not leave the cell
            return k

        for _ in self.scan(len(x), choose):
            pass
        return z.flatten(1)

    def decode(self, z: Tensor, *, temperature: float = 1.0) -> Tensor:
        """(b, d) -> (b, *event_shape), the inverse of encode."""
        *_, drawing = self.draw(z, temperature=temperature)
        return drawing.x.to(self.prior.anchor)

    def draw(
        self, z: Tensor, *, temperature: float = 1.0, levels: Tensor | None = None, known: Tensor | None = None
    ) -> Iterator[Drawing]:
        """Decode row by row; the one drawing that is yielded fills up.

        Args:
            z: (b, d) uniforms.
            temperature: of each conditional; 0 gives its mode.
            levels: with known, integers of (b, *event_shape), or of one image.
            known: bool of the same shape; where True the level is this one, and not drawn.

        Raises:
            FlowgenError: at once, if the latents are not (b, d) numbers in [0, 1], the temperature is negative or not
                finite, or levels and known are no images of the model's.
        """
        check_temperature(temperature)
        self._check_latent(z)
        return self._draw(z, temperature, *self._given(z, levels, known))

    def _draw(self, z: Tensor, temperature: float, levels: Tensor, known: Tensor) -> Iterator[Drawing]:
        u = z.double().view(len(z), *self.event_shape)
        drawing = Drawing(torch.zeros_like(u), u.new_zeros(len(u)))
        clamped, row_of_laws = bool(known.any()), list[tuple[Tensor, Tensor, Tensor]]()

        def choose(at: tuple[int, int, int], log_probs: Tensor) -> Tensor:
            log_probs = tempered(log_probs, temperature)
            cumulative = cdf(log_probs)
            k = icdf(cumulative, u[:, *at])
            if clamped:
                k = torch.where(known[:, *at], levels[:, *at], k)
            row_of_laws.append((k, cumulative, log_probs))
            return k

        for row in self.scan(len(z), choose):
            self._finish_row(drawing, u[:, :, row], known[:, :, row], row_of_laws)
            row_of_laws.clear()
            drawing.rows = row + 1
            yield drawing

    def _finish_row(
        self, drawing: Drawing, u: Tensor, known: Tensor, laws: list[tuple[Tensor, Tensor, Tensor]]
    ) -> None:
        """Enter a row's pixel values and log-probabilities, for all of its positions at once: one by one is slower.

        Args:
            drawing: what is drawn so far.
            u, known: of the row, (n, c, w).
            laws: at each position of the row its level (n,), its CDF and its log-probabilities, (n, levels).
        """
        k, cumulative, log_probs = (torch.stack(part).flatten(0, 1) for part in zip(*laws, strict=True))
        log_p, (low, high) = log_probs.gather(1, k[:, None])[:, 0], cell(cumulative, k)
        u, known = u.permute(2, 1, 0), known.permute(2, 1, 0)  # in the order of the positions
        k, low, width, log_p = (part.view(u.shape) for part in (k, low, high - low, log_p))
        # A known level may be none that a temperature of 0 allows: its cell is empty.
        within = ((u - low) / width.clamp_min(1e-300)).clamp(2.0**-15, 1 - 2.0**-15)
        drawing.x[:, :, drawing.rows] = ((k + within) / self.levels).permute(2, 1, 0)
        drawing.log_prob += log_p.masked_fill(known, 0.0).sum((0, 1))

    @torch.no_grad()
    def scan(self, n: int, choose: Choose) -> Iterator[int]:
        """Go through n images by the one cached pass that encode, decode, sampling, completion and the codec share.

        At each position a level is chosen; yields the number of each row once it is finished.
        """
        images, row_size = self.begin(n), self.event_shape[0] * self.event_shape[2]
        for row in range(self.event_shape[1]):
            for _ in range(row_size):
                images.put(choose(images.at, images.log_probs()))
            yield row

    def begin(self, n: int) -> CachedPass:
        """The cached pass at the first position of n images."""
        return CachedPass(
            self.net,
            self.factor,
            self.event_shape,
            n,
            label=self.label,
            num_classes=self.num_classes,
            device=self.prior.anchor.device,
        )

    def initialize(self, x: Tensor) -> None:
        """Nothing starts from data here."""

    def given(self, label: int) -> "Autoregressive":
        """The model of one class.

        Raises:
            FlowgenError: where the model has no classes, or not this one.
        """
        if self.num_classes is None:
            raise FlowgenError(f"This model was trained without classes, so it cannot be given class {label}.")
        if not 0 <= label < self.num_classes:
            raise FlowgenError(f"There is no class {label}: this model's run from 0 to {self.num_classes - 1}.")
        one = Autoregressive(self.net, self.factor, self.event_shape, num_classes=self.num_classes, label=label)
        return one.to(self.prior.anchor)

    def frozen(self) -> Self:
        """A copy for many calls: no gradient to its parameters."""
        return copy.deepcopy(self).requires_grad_(False)

    def _log_mass(self, levels: Tensor, labels: Tensor | None) -> Tensor:
        return self._log_conditionals(levels, labels).flatten(1).sum(1)

    def _log_conditionals(self, levels: Tensor, labels: Tensor | None) -> Tensor:
        if torch.is_grad_enabled() or levels.device.type != "cpu" or len(levels) <= AT_ONCE:
            return self.factor.log_prob(self.net(levels, labels), levels)
        parts = [slice(start, start + AT_ONCE) for start in range(0, len(levels), AT_ONCE)]
        return torch.cat([self._log_conditionals(levels[p], None if labels is None else labels[p]) for p in parts])

    def _classes(self) -> range:
        return range(self.num_classes or 0)

    def _to_levels(self, x: Tensor) -> Tensor:
        check_shape(x, self.event_shape)
        if not x.is_floating_point():
            raise FlowgenError(f"Pixel values are floats in [0, 1], and these are {x.dtype}; log_mass takes integers.")
        if not bool(((x >= 0) & (x <= 1)).all()):
            raise FlowgenError("Pixel values must lie in [0, 1]; these do not, or are not numbers.")
        return to_bytes(x, self.levels)

    def _check_latent(self, z: Tensor) -> None:
        check_shape(z, self.prior.event_shape, "latents")
        if not bool(((z >= 0) & (z <= 1)).all()):
            raise FlowgenError("An autoregressive model's latents lie in [0, 1]; these do not, or are not numbers.")

    def _given(self, z: Tensor, levels: Tensor | None, known: Tensor | None) -> tuple[Tensor, Tensor]:
        """The levels to keep and where, each (n, *event_shape); nowhere, if none are given."""
        shape = (len(z), *self.event_shape)
        if levels is None and known is None:
            nothing = torch.zeros(shape, dtype=torch.long, device=z.device)
            return nothing, nothing.bool()
        if levels is None or known is None:
            raise FlowgenError("Pixels are kept by their levels and where these are known; give both, or neither.")
        if known.dtype != torch.bool:
            raise FlowgenError(f"known says True or False of each pixel, and is {known.dtype}.")
        for given in (levels, known):
            if tuple(given.shape) not in (shape, (1, *self.event_shape), self.event_shape):
                raise FlowgenError(f"Known pixels take tensors of shape {shape}, not {tuple(given.shape)}.")
        levels, known = levels.expand(shape), known.expand(shape)
        check_levels(torch.where(known, levels, 0), self.event_shape, self.levels)  # the others may hold anything
        return levels.long(), known

    def _uniforms(self, n: int, seed: int | None, generator: torch.Generator | None) -> Tensor:
        if n < 1:
            raise FlowgenError(f"{n} samples were asked for; ask for at least 1.")
        if seed is not None:
            draws = rng.keyed_uniform(self.prior.event_shape, seed, range(n))
        else:
            draws = rng.uniform((n, *self.prior.event_shape), generator)
        return draws.to(self.prior.anchor.device, torch.float64)
