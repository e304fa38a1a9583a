"""The hyperparameters that all causal nets share, and how a model is built of them."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from flowgen.errors import FlowgenError
from flowgen.hyperparameters import check
from flowgen.models.autoregressive import Autoregressive
from flowgen.models.factors import FACTORS

__all__ = ["CausalRecipe"]


@dataclass(frozen=True)
class CausalRecipe:
    """An autoregressive model's hyperparameters; a subclass names its net."""

    net: ClassVar[Any]

    hidden: int = field(
        default=32,
        metadata={"help": "channels of a layer, rounded up to a multiple of the colours", "min": 1, "max": 1024},
    )
    dilations: str = field(default="1 2 1 4 1 2 1", metadata={"help": "dilation of each layer, in order"})
    embedding: int = field(
        default=16, metadata={"help": "size of the vector that a level enters as", "min": 1, "max": 256}
    )
    factor: Literal["categorical", "bernoulli", "logistic_mixture"] = field(
        default="categorical", metadata={"help": "distribution of a pixel"}
    )
    num_classes: int = field(default=0, metadata={"help": "classes to condition on; 0 for none", "min": 0, "max": 1000})

    def __post_init__(self) -> None:
        check(self)
        dilations = self.dilations.split()
        if not dilations or not all(dilation.isdecimal() and 1 <= int(dilation) <= 64 for dilation in dilations):
            raise FlowgenError(
                f"dilations is {self.dilations!r}; it must be numbers from 1 to 64, with spaces between."
            )

    def build(self, event_shape: tuple[int, ...], levels: int = 256) -> Autoregressive:
        """The model, untrained, with weights from torch's global generator.

        Raises:
            FlowgenError: if the events are not images, or the factor does not fit the levels.
        """
        factor, channels = FACTORS[self.factor](levels), event_shape[0]
        groups = factor.groups(channels)
        net = self.net(
            channels,
            factor.num_parameters(channels),
            levels=levels,
            hidden=-(-self.hidden // groups) * groups,
            dilations=[int(dilation) for dilation in self.dilations.split()],
            groups=groups,
            embedding=self.embedding,
            num_classes=self.num_classes or None,
        )
        return Autoregressive(net, factor, event_shape, num_classes=self.num_classes or None)
