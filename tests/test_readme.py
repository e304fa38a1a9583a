"""What the README tells a new reader to type."""

import re
from pathlib import Path

import pytest
from PIL import Image

README = Path(__file__).parent.parent / "README.md"


def test_the_ten_lines_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ten_lines = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert ten_lines
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(ten_lines[1], names)
    assert names["nats"].shape == (16,)
    with Image.open(tmp_path / "completions.png") as picture:
        assert picture.size == (88, 88)
    known, digits, last = names["known"], names["digits"], names["last"]
    assert (last.levels[:, :, known] == digits[0][:, known]).all()
