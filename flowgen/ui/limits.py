"""What the studio allows one request to ask of it."""

from dataclasses import dataclass

__all__ = ["LIMITS", "Limits"]


@dataclass(frozen=True)
class Limits:
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

    images: int = 64
    variants: int = 16
    steps: int = 2000
    frames: int = 32
    seed: int = 2**31 - 1
    temperature: float = 2.0
    upload_megabytes: int = 20
    upload_pixels: int = 50_000_000
    seconds: float = 180.0
    queue: int = 32
    concurrency: int = 1
    cache_seconds: int = 3600
    memory_megabytes: int = 512


LIMITS = Limits()
