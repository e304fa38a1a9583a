"""What the studio allows one request to ask of it, and all of them together."""

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from flowgen.data.decoding import MAX_BYTES, MAX_PIXELS

__all__ = ["GPU_TIME", "LIMITS", "GPUTime", "Limits", "enforce"]


class Bounds(BaseModel):
    """Numbers that hold for the whole process; whoever holds the object sees what they are changed to."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_assignment=True, allow_inf_nan=False)


class Limits(Bounds):
    """Bounds on a request, so that one visitor cannot take the machine from the others.

    Attributes:
        images: most images sampled at once.
        variants: most completions of one hole.
        steps: most steps of one inpainting.
        frames: most images along a path.
        seed: largest seed.
        temperature: highest temperature.
        upload_megabytes: largest file; no more than the library opens.
        upload_pixels: largest picture, width times height, before it is decoded; no more than the library opens.
        seconds: longest time for one request, its deadline.
        queue: how many requests may wait.
        concurrency: how many compute at once.
        cache_seconds: how long a result can be fetched.
        memory_megabytes: of weights to keep loaded; the least recently used go first.
    """

    images: PositiveInt = 64
    variants: PositiveInt = 16
    steps: PositiveInt = 2000
    frames: PositiveInt = 32
    seed: PositiveInt = 2**31 - 1
    temperature: PositiveFloat = 2.0
    upload_megabytes: Annotated[int, Field(gt=0, le=MAX_BYTES // 2**20)] = 20
    upload_pixels: Annotated[int, Field(gt=0, le=MAX_PIXELS)] = MAX_PIXELS
    seconds: PositiveFloat = 180.0
    queue: PositiveInt = 32
    concurrency: PositiveInt = 1
    cache_seconds: PositiveInt = 3600
    memory_megabytes: PositiveInt = 512


class GPUTime(Bounds):
    """How long a request may hold the GPU of ZeroGPU: base + per_image * images + per_step * steps, in seconds.

    Attributes:
        base: of any request, loading the model included.
        per_image, per_step: more for each that is asked for.
        most: in all; ZeroGPU grants no visitor more than 120 at once.
    """

    base: PositiveFloat = 10.0
    per_image: NonNegativeFloat = 0.5
    per_step: NonNegativeFloat = 0.05
    most: PositiveFloat = 120.0

    def seconds(self, images: float = 0, steps: float = 0, more: float = 0) -> int:
        """What a request asks for."""
        return math.ceil(min(self.most, self.base + self.per_image * images + self.per_step * steps + more))


LIMITS = Limits()
GPU_TIME = GPUTime()


def enforce(limits: Limits, gpu_time: GPUTime) -> None:
    """Put bounds in force for all who hold LIMITS and GPU_TIME; before the page is imported, whose texts name them."""
    for held, wanted in ((LIMITS, limits), (GPU_TIME, gpu_time)):
        for name, value in wanted:
            setattr(held, name, value)
