"""Reading a Spacefile: the repository's own, and what is wrong with others."""

from pathlib import Path

import pytest

from flowgen.errors import FlowgenError
from flowgen.space import GPU_TIME, LIMITS, GPUTime, Limits, enforce, read

ROOT = Path(__file__).parent.parent.parent
SOUND = (ROOT / "Spacefile").read_text(encoding="utf-8")


def test_the_limits_of_the_repository_are_the_usual_ones() -> None:
    """Otherwise the tests of the page, which read no Spacefile, would test something else than what is served."""
    manifest = read(ROOT / "Spacefile")
    assert manifest.limits == Limits() == LIMITS
    assert manifest.hardware.zerogpu == GPUTime() == GPU_TIME


def test_a_manifest_with_no_more_than_it_must_have(tmp_path: Path) -> None:
    (tmp_path / "Spacefile").write_text(SOUND.split("hardware:")[0])
    manifest = read(tmp_path / "Spacefile")
    assert manifest.limits == Limits()
    assert manifest.models == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("queue: 32", "queue: 0", "limits.queue: input should be greater than 0"),
        ("40000000", "50000000", "limits.upload_pixels: input should be less than or equal to 40000000"),
        ("queue: 32", "queue: many", "limits.queue: input should be a valid integer"),
        ("queue: 32", "qeue: 32", "limits.qeue is no key of it"),
        ("seconds: 180.0", "seconds: .nan", "limits.seconds: input should be a finite number"),
        ("title: FlowGen", "titel: FlowGen", "card.title is missing; card.titel is no key of it"),
        ("color_to: purple", "color_to: mauve", "card.color_to: input should be 'red'"),
        ("short_description: ", f"short_description: {'x' * 60}", "card.short_description: .*60 characters"),
        ('python: "3.12"', "python: 3.12", "runtime.python: input should be a valid string"),
        ("gradio: 6.31.0", 'gradio: ">=6"', "runtime.gradio"),
        ("flavor: cpu-basic", "flavor: toaster", "hardware.flavor: input should be 'cpu-basic' or 'zero-a10g'"),
        (
            "- file: checkpoints/glow-mnist",
            "- hub: a/b/c\n  file: checkpoints/glow-mnist",
            "either a file or a hub",
        ),
        ("  licence: Apache-2.0", "  revision: " + "a" * 40 + "\n  licence: Apache-2.0", "has a revision"),
        ("version: 1", "version: 2", "has version 2, and this flowgen reads up to 1: update it"),
        ("version: 1", "version: one", "version: input should be 1"),
        ("version: 1", "version: 1\nversion: 1", "line 4: version stands twice"),
        ("version: 1", "version: 1\ncolour: red", "colour is no key of it"),
        ("card:", "card: {", "no sound YAML, line"),
        ("version: 1", "version: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("version: 1", "[1]: 1", "no sound YAML, line 3: found unhashable key"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in SOUND
    path = tmp_path / "Spacefile"
    path.write_text(SOUND.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(FlowgenError, match=sentence) as caught:
        read(path)
    assert str(tmp_path) not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no Spacefile here"),
        (b"", "holds no sections"),
        (b"- version", "holds no sections"),
        (b"\xff\xfe\x00", "cannot be read as text"),
        (b"version: \x07", "characters that YAML does not allow"),
    ],
    ids=["missing", "empty", "list", "bytes", "bell"],
)
def test_what_is_no_manifest_at_all(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    if content is not None:
        (tmp_path / "Spacefile").write_bytes(content)
    with pytest.raises(FlowgenError, match=sentence):
        read(tmp_path / "Spacefile")


def test_limits_are_enforced_for_those_who_hold_them_already() -> None:
    try:
        enforce(Limits(queue=3), GPUTime(most=60.0))
        assert (LIMITS.queue, LIMITS.images, GPU_TIME.most) == (3, 64, 60.0)
    finally:
        enforce(Limits(), GPUTime())
