"""What the studio allows one request to ask of it, and all of them together."""

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt

__all__ = ["LIMITS", "Limits", "enforce"]


class Limits(BaseModel):
    """Bounds on a request, so that one visitor cannot take the machine from the others.

    Attributes:
        images: most images sampled at once.
        variants: most completions of one hole.
        steps: most steps of one inpainting.
        frames: most images along a path.
        seed: largest seed.
        temperature: highest temperature.
        upload_megabytes: largest file.
        upload_pixels: largest picture, width times height, before it is decoded.
        seconds: longest time for one request, its deadline.
        queue: how many requests may wait.
        concurrency: how many compute at once.
        cache_seconds: how long a result can be fetched.
        memory_megabytes: of weights to keep loaded; the least recently used go first.
    """

    model_config = ConfigDict(extra="forbid", strict=True, validate_assignment=True, allow_inf_nan=False)

    images: PositiveInt = 64
    variants: PositiveInt = 16
    steps: PositiveInt = 2000
    frames: PositiveInt = 32
    seed: PositiveInt = 2**31 - 1
    temperature: PositiveFloat = 2.0
    upload_megabytes: PositiveInt = 20
    upload_pixels: PositiveInt = 50_000_000
    seconds: PositiveFloat = 180.0
    queue: PositiveInt = 32
    concurrency: PositiveInt = 1
    cache_seconds: PositiveInt = 3600
    memory_megabytes: PositiveInt = 512


LIMITS = Limits()


def enforce(limits: Limits) -> None:
    """Put limits in force for all who hold LIMITS; to be called before the page is imported, whose texts name them."""
    for name, value in limits:
        setattr(LIMITS, name, value)
