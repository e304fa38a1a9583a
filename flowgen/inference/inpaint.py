"""Inpainting: a kernel moves chains over a target, and every step is a frame."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from flowgen.errors import FlowgenError
from flowgen.inference.annealing import carried, due, narrowing
from flowgen.inference.chains import ChainGenerators, Randomness
from flowgen.inference.frame import Frame
from flowgen.inference.in_order import InOrder, comes_last
from flowgen.inference.kernels import KERNELS, Kernel, State, configure
from flowgen.inference.kernels.particles import Population
from flowgen.inference.levels_target import levels_target
from flowgen.inference.memory import check_memory
from flowgen.inference.raster_smc import RasterSMC
from flowgen.inference.start import Search
from flowgen.inference.target import Levels, Reals, Space, Target, pixel_target
from flowgen.models.image_model import Sequential

if TYPE_CHECKING:
    from flowgen.models.image_model import ImageModel

__all__ = [
    "METHODS",
    "check_image",
    "check_known",
    "complete",
    "inpaint",
    "methods_by",
    "methods_for",
    "methods_of",
]

MAX_CHAINS = 256
MAX_ROWS = 4096  # pictures that go through a model at a time
MAX_STEPS = 100_000
SEARCH_STEPS = 50  # at most; a short run spends half of its steps on it
START = RasterSMC(num_particles=16)  # where chains over levels begin
METHODS: dict[str, type[Any]] = {**KERNELS, "raster_smc": RasterSMC, "in_order": InOrder}
NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


def inpaint(
    target: Target,
    kernel: Kernel,
    position: Tensor,
    num_steps: int,
    *,
    num_warmup: int = 0,
    generator: Randomness,
    through: Sequence[Target] = (),
) -> Iterator[Frame]:
    """Run a kernel over a target from a position, a frame a step.

    Args:
        target: what to explore.
        kernel: how.
        position: (chains, dim), where each chain starts.
        num_steps: how many steps, warm-up included.
        num_warmup: how many of them are warm-up.
        generator: one for all chains, or `ChainGenerators` to make each chain independent of the others.
        through: targets of the same unknowns that warm-up takes the chains through, before its last part on the target
            itself; log-densities in warm-up are of these.

    Raises:
        FlowgenError: before the first frame, if the kernel does not serve the target's space, a number is out of range,
            or the log-density at a start is not finite.
    """
    _check_space(kernel, target.space)
    _check_steps(num_steps)
    if not 0 <= num_warmup <= num_steps:
        raise FlowgenError(f"{num_warmup} of {num_steps} steps cannot be warm-up.")
    state = kernel.init(due(1, num_warmup, through, target), position)
    return _frames(target, kernel, state, num_steps, num_warmup, generator, through)


def _frames(
    target: Target,
    kernel: Kernel,
    state: State,
    num_steps: int,
    num_warmup: int,
    generator: Randomness,
    through: Sequence[Target],
) -> Iterator[Frame]:
    rejections = torch.zeros_like(state.log_density, dtype=torch.int64)
    accepted = torch.zeros_like(state.log_density)
    at_present = due(1, num_warmup, through, target)
    for step in range(1, num_steps + 1):
        warming_up = step <= num_warmup
        if (wanted := due(step, num_warmup, through, target)) is not at_present:
            at_present, state = wanted, carried(kernel, wanted, state)
        state, info = kernel.step(at_present, state, generator, warmup=warming_up)
        rejections = rejections + info.rejected
        if step == num_warmup + 1:
            accepted = torch.zeros_like(accepted)  # what a step size accepted that was still sought says nothing
        accepted = accepted if info.acceptance is None else accepted + info.acceptance
        yield Frame(
            step=step,
            num_steps=num_steps,
            position=state.position,
            log_density=state.log_density,
            rejections=rejections,
            acceptance=None if info.acceptance is None else accepted / (step if warming_up else step - num_warmup),
            warming_up=warming_up,
            to_image=target.to_image,
            log_evidence=None if info.log_evidence is None else float(info.log_evidence),
        )


def complete(
    model: "ImageModel",
    image: Tensor,
    known: Tensor,
    *,
    method: str | None = None,
    num: int = 1,
    steps: int = 100,
    seed: int = 0,
    options: Mapping[str, Any] = NO_OPTIONS,
    first: int = 0,
) -> Iterator[Frame]:
    """Fill in the hidden pixels of an image, several times at once, a frame a step.

    Variant i of a seed depends on the seed and i alone, up to rounding in the model's own batching.

    Args:
        model: any image model; it is frozen once, here.
        image: (c, h, w) bytes below `model.levels`.
        known: (h, w) or (1, h, w) bool, True where the image is to be kept.
        method: a name in METHODS that fits the model, by default the first of `methods_of(model, known)`.
        num: how many variants.
        steps: how many steps; what completes in order takes a step a row, whatever is said here.
        seed: any integer.
        options: hyperparameters of the method, the fields of its dataclass.
        first: the number of the first variant: `num=1, first=3` draws variant 3 again by itself.

    Raises:
        FlowgenError: before the first frame, for anything out of order: a sentence each.
    """
    if not 1 <= num <= MAX_CHAINS:
        raise FlowgenError(f"{num} variants were asked for; ask for 1 to {MAX_CHAINS} at a time.")
    if first < 0:
        raise FlowgenError(f"Variants are counted from 0, so the first cannot be {first}.")
    image, known = check_image(model, image), check_known(model, known)
    chosen = _method(model, known, method, options)
    _check_rows(chosen, num)
    _check_steps(steps)
    check_memory(model, chosen, num)
    model, variants = model.frozen(), range(first, first + num)
    if isinstance(model, Sequential):
        if isinstance(chosen, RasterSMC | InOrder):
            return chosen.complete(model, image, known, seed=seed, variants=variants)
        return _over_levels(model, image, known, chosen, steps, ChainGenerators(seed, variants))
    return _by_kernel(model, image, known, chosen, steps, ChainGenerators(seed, variants))


def _over_levels(
    model: Sequential, image: Tensor, known: Tensor, kernel: Kernel, steps: int, randomness: ChainGenerators
) -> Iterator[Frame]:
    """Chains that begin at completions by a few particles each; half of the steps are warm-up."""
    check_memory(model, START, len(randomness.generators))
    target = levels_target(model, image, known)
    position = START.draw(target, len(randomness.generators), randomness)
    return inpaint(target, kernel, position, steps, num_warmup=steps // 2, generator=randomness)


def _by_kernel(
    model: "ImageModel", image: Tensor, known: Tensor, kernel: Kernel, steps: int, randomness: ChainGenerators
) -> Iterator[Frame]:
    search = Search(model, image, known)
    w = search.first(len(randomness.generators), randomness)
    target, place = _setting(search, kernel)
    kernel.init(target, place(w))  # an impossible picture is refused here, before any frame
    if isinstance(kernel, Population):  # it draws its own start
        return inpaint(target, kernel, place(w), steps, num_warmup=steps // 2, generator=randomness)
    return _search_and_run(search, w, target, place, kernel, steps, randomness)


def _setting(search: Search, kernel: Kernel) -> tuple[Target, Callable[[Tensor], Tensor]]:
    """What a kernel explores, and where in it a latent of the search is."""
    if kernel.latent:
        return search.augmented if kernel.jacobian else search.target, lambda w: w
    return pixel_target(search.model, search.image, search.known, jacobian=kernel.jacobian), search.pixels


def _search_and_run(
    search: Search,
    w: Tensor,
    target: Target,
    place: Callable[[Tensor], Tensor],
    kernel: Kernel,
    num_steps: int,
    randomness: Randomness,
) -> Iterator[Frame]:
    """First the search for a start, whose frames are warm-up, then the kernel's own run, as one stream.

    Half of a sampler's own run is warm-up too: it tunes the step size and forgets the start.
    """
    num_search = min(SEARCH_STEPS, num_steps // 2)
    num_left = num_steps - num_search
    num_warmup = num_left // 2 if kernel.jacobian else 0
    fallback = place(w)
    if num_search:
        for frame in inpaint(search.target, search.kernel, w, num_search, num_warmup=num_search, generator=randomness):
            w = frame.position
            yield replace(frame, num_steps=num_steps)
    position = _where_finite(target, place(w), fallback)
    through = narrowing(search.widened, getattr(kernel, "anneal", 1.0))
    frames = inpaint(target, kernel, position, num_left, num_warmup=num_warmup, generator=randomness, through=through)
    for frame in frames:
        yield replace(frame, step=frame.step + num_search, num_steps=num_steps)


@torch.no_grad()
def _where_finite(target: Target, position: Tensor, fallback: Tensor) -> Tensor:
    """Each chain at its position, or, where the log-density is not finite there, at its fallback."""
    return torch.where(target.log_density(position).isfinite()[:, None], position, fallback)


def methods_for(space: Space) -> list[str]:
    """The names of the kernels that serve a space."""
    return [name for name, kernel in KERNELS.items() if isinstance(space, kernel.serves)]


def methods_of(model: "ImageModel", known: Tensor | None = None) -> list[str]:
    """The names of the methods that fill in a hole by this model, the usual one first.

    Args:
        model: any image model.
        known: the mask (h, w) or (c, h, w), where there is one: completing in order is usual for what comes last in
            raster order, and does not fit another hole.
    """
    return methods_by(model.event_shape, model.levels, known, in_order=isinstance(model, Sequential))


def methods_by(event_shape: tuple[int, ...], levels: int, known: Tensor | None = None, *, in_order: bool) -> list[str]:
    """The same by what a model's card says, where the model itself need not be at hand.

    Args:
        event_shape: (c, h, w) of its images.
        levels: values a pixel takes.
        known: as for `methods_of`.
        in_order: whether it draws pixel after pixel.
    """
    dim = math.prod(event_shape)
    if not in_order:
        return methods_for(Reals(dim))
    usual = ["raster_smc", "in_order"]
    if known is not None:
        usual = ["in_order", "raster_smc"] if comes_last(known.view(-1, *known.shape[-2:])[0]) else ["raster_smc"]
    return usual + methods_for(Levels(dim, levels))


def check_image(model: "ImageModel", image: Tensor, name: str = "image") -> Tensor:
    """Bring an image of bytes to the model's device, if it is one that the model can see.

    Raises:
        FlowgenError: for another shape, other numbers than whole ones, or levels out of range.
    """
    if image.is_floating_point() or image.is_complex() or image.dtype == torch.bool:
        raise FlowgenError(f"The {name} is of {image.dtype}; it must hold whole levels from 0 to {model.levels - 1}.")
    if tuple(image.shape) != tuple(model.event_shape):
        raise FlowgenError(f"The {name} has shape {_by(image.shape)}; this model takes {_by(model.event_shape)}.")
    if int(image.min()) < 0 or int(image.max()) >= model.levels:
        raise FlowgenError(f"The {name} has levels outside 0 to {model.levels - 1}, the range of this model.")
    return image.to(model.prior.anchor.device, torch.uint8)


def check_known(model: "ImageModel", known: Tensor) -> Tensor:
    """Bring a mask (h, w) or (1, h, w), True where observed, to (c, h, w) on the model's device.

    Raises:
        FlowgenError: if it is not boolean, of another size, hides nothing, or hides everything.
    """
    shape = tuple(model.event_shape)
    if known.dtype != torch.bool:
        raise FlowgenError(f"The mask is of {known.dtype}; it must be true and false: true where a pixel is known.")
    if tuple(known.shape) not in (shape[1:], (1, *shape[1:])):
        raise FlowgenError(f"The mask has shape {_by(known.shape)}; for this model it must be {_by(shape[1:])}.")
    if bool(known.all()):
        raise FlowgenError("Nothing is hidden, so there is nothing to fill in: paint over a part of the image.")
    if not bool(known.any()):
        raise FlowgenError("Everything is hidden, so there is nothing to go by: leave a part, or sample a whole image.")
    return known.expand(shape).to(model.prior.anchor.device)


def _method(model: "ImageModel", known: Tensor, method: str | None, options: Mapping[str, Any]) -> Any:
    fitting = methods_of(model)
    method = method or methods_of(model, known)[0]
    if method not in METHODS:
        raise FlowgenError(f"There is no method {method!r}; choose one of: {', '.join(METHODS)}.")
    if method not in fitting:
        offer = ", ".join(fitting)
        raise FlowgenError(f"{method} does not fit this model: {_why_not(model)}; these methods fit: {offer}.")
    return configure(METHODS[method], options)


def _why_not(model: "ImageModel") -> str:
    if isinstance(model, Sequential):
        return "its log-probability is constant within each level, so there is no gradient to follow"
    return "its pixels are real numbers, and it does not draw pixel after pixel"


def _check_space(kernel: Kernel, space: Space) -> None:
    if not isinstance(space, kernel.serves):
        fitting = ", ".join(methods_for(space)) or "none yet"
        raise FlowgenError(
            f"{type(kernel).__name__} cannot move in {type(space).__name__.lower()}; these methods can: {fitting}."
        )


def _check_rows(kernel: Any, num: int) -> None:
    for name in ("num_particles", "num_temperatures"):
        each = getattr(kernel, name, 1)
        if num * each > MAX_ROWS:
            raise FlowgenError(
                f"{num} variants with {name} {each} are {num * each} pictures at a time; ask for {MAX_ROWS} at most: "
                "fewer variants, or fewer for each."
            )


def _check_steps(num_steps: int) -> None:
    if not 1 <= num_steps <= MAX_STEPS:
        raise FlowgenError(f"{num_steps} steps were asked for; ask for 1 to {MAX_STEPS}.")


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
