"""Memory: whether as many chains as were asked for fit into it, said before the first of them is computed."""

import weakref
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

import psutil
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from flowgen import rng
from flowgen.data.images import midpoints
from flowgen.errors import FlowgenError
from flowgen.models.image_model import Sequential

if TYPE_CHECKING:
    from flowgen.models.image_model import ImageModel

__all__ = ["bytes_per_image", "check_memory", "free_bytes"]

SHARE = 0.9  # of the free memory, so that the rest of the machine goes on
PASSES = 2.0  # a step holds a state and a proposal, and its convolutions need room to work in
ROWS = 2  # of an autoregressive model's pass: from the second on, nothing new is kept
SEVERAL = ("num_particles", "particles", "num_temperatures")  # fields of methods whose chains are several images each

_MEASURED: "weakref.WeakKeyDictionary[Any, dict[torch.dtype, float]]" = weakref.WeakKeyDictionary()


def check_memory(model: "ImageModel", method: Any, num: int) -> None:
    """Make sure that a step of so many chains fits.

    Args:
        model: any image model.
        method: as it is configured; some put several images a chain through the model.
        num: how many chains.

    Raises:
        FlowgenError: saying how many would.
    """
    each = max(getattr(method, name, 1) for name in SEVERAL) * bytes_per_image(model)
    free = SHARE * free_bytes(model.prior.anchor.device)
    if num * each > free:
        most = int(free // each)
        way_out = f"ask for at most {most} at a time" if most else "choose a smaller model or fewer particles"
        raise FlowgenError(
            f"{num} chains need about {_gigabytes(num * each)} of memory, and {_gigabytes(free)} are free: {way_out}."
        )


def bytes_per_image(model: "ImageModel") -> float:
    """About how many bytes an image takes on its way through a model, measured by one, and once again as much.

    A model is measured once, in each dtype.
    """
    measured = _MEASURED.setdefault(model, {})
    dtype = model.prior.anchor.dtype
    if dtype not in measured:
        kept = _drawing(model) if isinstance(model, Sequential) else _gradient(model)
        measured[dtype] = PASSES * (kept + 8.0 * model.prior.event_shape[0])
    return measured[dtype]


@torch.enable_grad()
def _gradient(model: "ImageModel") -> int:
    """What a pass keeps for the gradient to its pixels."""
    weights = {id(parameter) for parameter in getattr(model, "parameters", list)()}
    kept = 0

    def count(saved: Tensor) -> Tensor:
        nonlocal kept
        kept += 0 if id(saved) in weights else saved.numel() * saved.element_size()
        return saved

    gray = torch.full((1, *model.event_shape), model.levels // 2, device=model.prior.anchor.device)
    x = midpoints(gray, model.levels).to(model.prior.anchor).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(count, lambda saved: saved):
        model.log_prob(x)
    return kept


@torch.no_grad()
def _drawing(model: Sequential) -> int:
    """The most that is held at a time while an image is drawn, in its first rows."""
    z = rng.keyed_uniform(model.prior.event_shape, 0, range(1)).to(model.prior.anchor.device)
    with _Held() as held:
        for _ in islice(model.draw(z), ROWS):
            pass
    most: int = held.most
    return most


class _Held(TorchDispatchMode):
    """Counts the bytes of all tensors made within it that are held at a time; views count once, with what they view."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.most: int = 0
        self.now: int = 0
        self._holders: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                self._hold(storage._cdata, storage.nbytes(), tensor)
        return made

    def _hold(self, key: int, size: int, tensor: Tensor) -> None:
        self.now += size if self._holders[key] == 0 else 0
        self.most = max(self.most, self.now)
        self._holders[key] += 1
        weakref.finalize(tensor, self._release, key, size).atexit = False

    def _release(self, key: int, size: int) -> None:
        self._holders[key] -= 1
        self.now -= size if self._holders[key] == 0 else 0


def free_bytes(device: torch.device) -> float:
    """The memory that nobody uses, on a GPU or in this machine."""
    if device.type == "cuda" and torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info(device)
        return float(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    return float(psutil.virtual_memory().available)


def _gigabytes(number: float) -> str:
    return f"{number / 2**30:.1f} GB"
