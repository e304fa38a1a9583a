"""What strangers send who mean harm, by plain HTTP: each is refused, and the studio goes on."""

import io
import json
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image, PngImagePlugin
from playwright.sync_api import expect

from flowgen.ui.limits import LIMITS

from .conftest import Visit
from .raw import Visitor, box

JSON = {"content-type": "application/json"}
MEGABYTE = 2**20
LEAKS = ("Traceback", "site-packages", "/work", "/tmp", "/etc", "/root", "/home", "root:", "app.py", 'File "')


@pytest.fixture
def visitor(studio: str) -> Iterator[Visitor]:
    with Visitor(studio) as visitor:
        yield visitor


def is_well(studio: str) -> bool:
    return httpx.get(f"{studio}/ready", trust_env=False, timeout=60).status_code == 200


def upload(visitor: Visitor, content: bytes, name: str = "picture.png") -> dict[str, Any]:
    """A file as Gradio describes it once it is uploaded."""
    (path,) = visitor.http.post("/gradio_api/upload", files={"files": (name, content)}).raise_for_status().json()
    return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(side: int = 20_000) -> bytes:
    """400 million pixels in half a megabyte."""
    rows = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    packed = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A PNG whose compressed text unpacks to 200 MB."""
    file = io.BytesIO()
    Image.new("L", (28, 28)).save(file, "PNG")
    plain = file.getvalue()
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200 * MEGABYTE), 9))
    return plain[:33] + text + plain[33:]


def webp_bomb() -> bytes:
    file = io.BytesIO()
    Image.new("L", (16_383, 16_383)).save(file, "WEBP", lossless=True, method=0)
    return file.getvalue()


def gif_bomb() -> bytes:
    """A screen of 65,535 x 65,535 with one small frame."""
    file = io.BytesIO()
    Image.new("L", (16, 16)).save(file, "GIF")
    content = bytearray(file.getvalue())
    content[6:10] = struct.pack("<HH", 65_535, 65_535)
    return bytes(content)


def tiff_bomb() -> bytes:
    """A header that claims 100,000 x 100,000 pixels."""
    tags = [(256, 4, 1, 100_000), (257, 4, 1, 100_000), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
            (277, 3, 1, 1), (278, 4, 1, 100_000), (279, 4, 1, 2**31)]  # fmt: skip
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)


@pytest.mark.parametrize("bomb", [png_bomb, text_bomb, webp_bomb, gif_bomb, tiff_bomb])
def test_bombs_are_refused_before_they_are_decoded(visitor: Visitor, bomb: Any) -> None:
    content = bomb()
    assert len(content) < LIMITS.upload_megabytes * MEGABYTE
    file = upload(visitor, content)
    started = time.monotonic()
    answer = visitor.ask("score", [file])
    assert time.monotonic() - started < 5
    assert answer["status"] == 422, answer
    seen = visitor.ask(
        "page_look_1", [{"picture": None, "mask": "", "file": file, "upload": file, "caption": ""}, "gray"]
    )
    (value,) = seen["output"]["data"]
    assert value["picture"] is None
    assert "picture" in " ".join(map(str, value.values())).lower(), "it is said why"


PATHS = [
    "/etc/passwd", "../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd",
    "/proc/self/environ", "app.py", "//etc/passwd", "file:///etc/passwd", "/etc/passwd%00.png",
    "....//....//etc/passwd", "C:\\Windows\\win.ini", "flowgen/ui/page.py", "checkpoints/gray.safetensors",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "route", ["/gradio_api/file=", "/gradio_api/file/", "/file=", "/static/", "/assets/", "/svelte/"]
)
def test_no_file_of_the_server_can_be_fetched(studio: str, route: str, path: str) -> None:
    answer = httpx.get(f"{studio}{route}{path}", trust_env=False)
    assert answer.status_code in (403, 404, 400, 405)
    assert not any(leak in answer.text for leak in ("Traceback", "root:", "import ", "PATH="))


FORGED_FILES = [
    {"path": "/etc/passwd"},
    {"path": "/proc/self/environ"},
    {"path": "app.py"},
    {"path": "../../../../../../etc/hostname"},
    {"path": "x.png", "url": "http://127.0.0.1:{port}/ready"},
    {"path": "http://127.0.0.1:{port}/favicon.ico"},
    {"path": "http://169.254.169.254/latest/meta-data/"},
    {"path": "http://[::1]:{port}/ready"},
    {"path": "file:///etc/passwd"},
    {"path": None, "url": "http://169.254.169.254/latest/meta-data/"},
    {"path": "", "url": "http://localhost:{port}/ready"},
    {"path": ["/etc/passwd"]},
    {"path": {"path": "/etc/passwd"}},
    {"path": "a\0b"},
    {"path": "a" * 100_000},
]


@pytest.mark.parametrize("forged", FORGED_FILES, ids=[str(i) for i in range(len(FORGED_FILES))])
@pytest.mark.parametrize("name", ["score", "inpaint", "interpolate", "page_look_1", "page_score", "page_inpaint"])
def test_no_file_that_was_not_uploaded_is_read_and_no_address_fetched(
    visitor: Visitor, digit: Path, name: str, forged: dict[str, Any]
) -> None:
    filled = json.loads(json.dumps(forged).replace("{port}", visitor.studio.rpartition(":")[2]))
    file = filled | {"meta": {"_type": "gradio.FileData"}, "orig_name": "x.png", "size": 100}
    boxed = {"picture": None, "mask": "", "file": file, "upload": file, "caption": ""}
    arguments: dict[str, list[Any]] = {
        "score": [file],
        "inpaint": ["gray", file, file, "langevin", 1, 1, 0, None],
        "interpolate": ["gray", file, file, 3, "linear"],
        "page_look_1": [boxed, "gray"],
        "page_score": [boxed],
        "page_inpaint": ["gray", boxed, "langevin", None, 1, 1, 0, *visitor.defaults("page_inpaint")[7:]],
    }
    answer = visitor.ask(name, arguments[name])
    said = json.dumps(answer)
    assert answer["msg"] == "refused" or not answer["success"] or answer["output"]["data"][0]["picture"] is None
    assert not any(leak in said.replace(json.dumps(filled)[1:-1], "") for leak in LEAKS), said


BAD = [
    None, True, -1, 0, 0.5, 1e308, -1e308, 10**400, float("nan"), float("inf"), float("-inf"), "", "3", "NaN",
    "x" * 100_000, "<img src=x onerror=alert(1)>", "'; DROP TABLE models; --", "\0", "\ud800", [], [[]], {}, {"a": {}},
    [1] * 10_000,
]  # fmt: skip


def nested(depth: int) -> str:
    return '{"a":' * depth + "1" + "}" * depth


def test_wrong_values_in_every_place_of_every_function_are_refused_in_a_sentence(visitor: Visitor) -> None:
    """Every function, the page's private ones too, with each bad value in all places: no crash, and nothing leaks."""
    for name, function in visitor.functions().items():
        for value in BAD:
            answer = visitor.ask(name, [value] * len(function["inputs"]))
            said = json.dumps(answer)
            assert not any(leak in said for leak in LEAKS), (name, value, said)
            assert "Something went wrong" not in said, (name, value, said)
            assert "<img" not in said.replace(json.dumps(value)[1:-1], ""), (name, value, said)
    assert is_well(visitor.studio)


@pytest.mark.parametrize("depth", [100, 900, 5_000, 100_000])
def test_deeply_nested_values_are_refused(visitor: Visitor, depth: int) -> None:
    for name in ("sample", "inpaint", "score", "page_generate", "page_inpaint", "page_look_1"):
        function = visitor.functions()[name]
        values = ",".join([nested(depth)] * len(function["inputs"]))
        body = f'{{"data":[{values}],"fn_index":{function["id"]},"session_hash":"{visitor.session}"}}'
        if len(body) > 4 * MEGABYTE:
            continue
        answer = visitor.http.post("/gradio_api/queue/join", content=body, headers=JSON)
        assert not any(leak in answer.text for leak in LEAKS), answer.text
        assert answer.status_code in (200, 400, 422), answer.text
        if answer.status_code == 200:
            *_, last = visitor.messages()
            assert not last["success"] or name == "page_look_1"
            assert "Something went wrong" not in json.dumps(last)
    assert is_well(visitor.studio)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (["gray", 10**6, 0.8, 0, None], "num must be"),
        (["gray", -5, 0.8, 0, None], "num must be"),
        (["gray", 3, float("nan"), 0, None], "temperature must be"),
        (["gray", 3, float("-inf"), 0, None], "temperature must be"),
        (["gray", 3, 0.8, 2**31, None], "seed must be"),
    ],
)
@pytest.mark.parametrize("name", ["sample", "page_generate"])
def test_numbers_out_of_range_are_named(visitor: Visitor, name: str, data: list[Any], sentence: str) -> None:
    if name == "page_generate":
        data = [data[0], "any", *data[1:4]]
    answer = visitor.ask(name, data)
    assert sentence in json.dumps(answer)


def test_a_body_too_large_is_turned_away_and_not_kept_in_memory(studio: str) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"data":["'
        for _ in range(200):
            yield b"x" * MEGABYTE

    for path in ("/gradio_api/call/sample", "/gradio_api/queue/join", "/gradio_api/component_server", "/login"):
        try:
            answer = httpx.post(f"{studio}{path}", content=endless(), headers=JSON, trust_env=False, timeout=60)
        except httpx.TransportError:  # it hung up in the middle, which is as well
            continue
        assert answer.status_code == 413
        assert "4 MB" in answer.json()["detail"]
    assert is_well(studio)


def test_an_upload_too_large_is_turned_away_however_it_is_cut(studio: str) -> None:
    whole = {"files": ("a.png", bytes((LIMITS.upload_megabytes + 2) * MEGABYTE))}
    parts = [("files", (f"{i}.png", bytes(MEGABYTE) + bytes([i]))) for i in range(LIMITS.upload_megabytes + 3)]
    for files in (whole, parts):
        answer = httpx.post(f"{studio}/gradio_api/upload", files=files, trust_env=False, timeout=60)
        assert answer.status_code == 413
        assert "20 MB" in answer.text
    assert is_well(studio)


def test_a_page_of_another_site_can_do_nothing(studio: str, digit: Path) -> None:
    host = studio.removeprefix("http://")
    for origin in ("https://evil.example", "null", f"http://{host}.evil.example", f"https://evil.example?{host}"):
        headers = {"origin": origin}
        call = httpx.post(f"{studio}/gradio_api/call/models", json={"data": []}, headers=headers, trust_env=False)
        files = {"files": ("a.png", digit.read_bytes())}
        sent = httpx.post(f"{studio}/gradio_api/upload", files=files, headers=headers, trust_env=False)
        read = httpx.get(f"{studio}/config", headers=headers, trust_env=False)
        assert (call.status_code, sent.status_code, read.status_code) == (403, 403, 403)
        assert "another site" in call.json()["detail"]
    own = httpx.post(f"{studio}/gradio_api/call/models", json={"data": []}, headers={"origin": studio}, trust_env=False)
    assert own.status_code == 200
    proxied = {"origin": "https://studio.example", "x-forwarded-host": "studio.example"}
    assert httpx.post(f"{studio}/gradio_api/cancel", json={}, headers=proxied, trust_env=False).status_code == 404
    claimed = proxied | {"sec-fetch-site": "cross-site"}
    assert httpx.post(f"{studio}/gradio_api/cancel", json={}, headers=claimed, trust_env=False).status_code == 403


def test_a_guessed_session_hash_shows_nothing_of_another(studio: str, digit: Path) -> None:
    with Visitor(studio) as victim, Visitor(studio, "guess") as attacker:
        assert victim.join("sample", ["gray", 1, 0.8, 7, None]).status_code == 200
        for session in ("guess", "", "*", "%", "../" + victim.session):
            answer = attacker.http.get("/gradio_api/queue/data", params={"session_hash": session})
            assert "process_completed" not in answer.text
            assert victim.session not in answer.text.replace(session, "")
        *_, last = victim.messages()
        assert last["success"]


MARKUP = '<img src=x onerror="window.hacked=1">'


def test_markup_in_names_texts_and_metadata_stays_text(visit: Visit, tmp_path: Path, digit: Path) -> None:
    info = PngImagePlugin.PngInfo()
    for key in ("Title", "Comment", "parameters", "flowgen"):
        info.add_text(key, MARKUP)
    path = tmp_path / "<img src=x onerror=window.hacked=1>.png"
    with Image.open(digit) as picture:
        picture.save(path, pnginfo=info)
    page = visit()
    page.get_by_role("tab", name="Score", exact=True).click()
    page.set_input_files("#score-picture input[type=file]", path)
    expect(page.locator("#score-picture .fg-caption")).to_contain_text("seen as")
    page.click("#score-run")
    expect(page.locator("#score-result .fg-score").first).to_be_visible()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0


def test_markup_in_arguments_is_escaped(visitor: Visitor, digit: Path) -> None:
    generate = visitor.ask("page_generate", [MARKUP, "any", 1, 0.8, 0])
    assert "<img" not in json.dumps(generate)
    data = visitor.defaults("page_inpaint")
    data[:7] = ["gray", box(digit.read_bytes()), MARKUP, None, 1, 1, 0]
    assert "<img" not in json.dumps(visitor.ask("page_inpaint", data))
    options = visitor.ask("inpaint", ["gray", None, None, "langevin", 1, 1, 0, {MARKUP: 1}])
    assert options["msg"] == "refused"


def test_what_is_uploaded_is_never_served_as_a_page(visitor: Visitor) -> None:
    for name in ("page.html", "picture.svg", "script.js", "page.xhtml"):
        file = upload(visitor, b"<script>alert(1)</script>", name)
        answer = visitor.http.get(f"/gradio_api/file={file['path']}")
        served = answer.headers.get("content-type", "")
        shown = answer.headers.get("content-disposition", "").startswith("attachment")
        assert answer.status_code in (403, 404) or shown or "text/plain" in served, (name, answer.headers)
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/monitoring", "/gradio_api/vibe-code", "/gradio_api/dev/reload", "/gradio_api/profiling/traces",
     "/gradio_api/runs", "/gradio_api/run-history/buckets", "/gradio_api/proxy=http://169.254.169.254/",
     "/gradio_api/proxy=http://127.0.0.1:22/", "/gradio_api/deep_link?session_hash=x", "/docs", "/redoc"],
)  # fmt: skip
def test_gradios_own_back_doors_are_closed(studio: str, path: str) -> None:
    answer = httpx.get(f"{studio}{path}", trust_env=False, timeout=10)
    assert answer.status_code in (400, 401, 403, 404, 405) or answer.text in ("", '""')
    assert not any(leak in answer.text for leak in LEAKS)
