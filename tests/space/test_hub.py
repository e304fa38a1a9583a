"""What is deployed and pushed, against a Hub that checks the requests, and what it refuses."""

import dataclasses
import errno
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import constants
from huggingface_hub.utils import logging

import flowgen
from flowgen import library
from flowgen.__main__ import main
from flowgen.checkpoint import Meta, build, rewrite_meta, save_checkpoint
from flowgen.errors import FlowgenError
from flowgen.hub import sentences
from flowgen.library import Library
from flowgen.space import Manifest, check, from_hub, present, read, render
from flowgen.space.manifest import Listed
from flowgen.space.render import front_matter

from .conftest import ROOT
from .stand_in import TOKEN, Hub, serve_hub

MEASURED = {"bits_per_dim": 1.5, "standard_error": 0.1, "protocol": "8 images"}
META = Meta("glow", {"depth": 1, "hidden": 4}, (1, 8, 8), dataset="mnist", **MEASURED)  # type: ignore[arg-type]
Said = tuple[int, str, str]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A Hub on loopback, for this process and those that it starts. Xet's own protocol is not spoken there."""
    with serve_hub() as hub:
        for name, value in {
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
        }.items():
            monkeypatch.setenv(name, value)
        # huggingface_hub read its environment when it was imported.
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{hub.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        )
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
        monkeypatch.setattr("time.sleep", lambda seconds: None)  # as huggingface_hub does between its attempts
        yield hub


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, repository: Path) -> Callable[..., Said]:
    """Runs `flowgen ...` in a copy of the repository: its exit code, and what it said and complained of."""
    monkeypatch.chdir(repository)
    monkeypatch.setenv("FLOWGEN_CHECKPOINTS", str(repository / "checkpoints"))

    def run(*words: str) -> Said:
        monkeypatch.setattr("sys.argv", ["flowgen", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        return int(exit_.value.code or 0), *capsys.readouterr()

    return run


def files(root: Path) -> dict[str, bytes]:
    return {path: (root / path).read_bytes() for path in present(root, read(root / "Spacefile"))}


def test_a_dry_run_prints_what_would_be_uploaded_and_asks_nothing(hub: Hub, shell: Callable[..., Said]) -> None:
    code, out, _ = shell("space", "deploy", "--dry-run")
    assert code == 0
    *lines, total = [line.split(maxsplit=1) for line in out.splitlines()]
    printed = {path: int(size.replace(",", "")) for size, path in lines}
    assert printed == present(Path(), read(Path("Spacefile")))
    assert int(total[0].replace(",", "")) == sum(printed.values()) < 100 * 10**6
    assert hub.asked == []


def test_a_new_space_gets_exactly_what_the_dry_run_printed(hub: Hub, repository: Path) -> None:
    """As a user does it: by HF_ENDPOINT and HF_TOKEN, in a process of its own."""
    (repository / "flowgen" / "__pycache__").mkdir()
    (repository / "flowgen" / "__pycache__" / "errors.pyc").write_bytes(b"compiled")
    (repository / "secret.env").write_text("HF_TOKEN=mine")
    command = [sys.executable, "-m", "flowgen", "space", "deploy", "someone/studio"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(f"{hub.address}/spaces/someone/studio")
    space = hub.of("space", "someone/studio")
    assert {path: space.files[path] for path in space.files if path != ".gitattributes"} == files(repository)
    assert (space.hardware, space.private) == ("cpu-basic", False)
    assert space.variables == {"GRADIO_SERVER_NAME": "0.0.0.0"}
    assert space.commits == ["Deploy FlowGen"]
    assert "/hardware" not in "".join(hub.asked)
    assert "POST /api/spaces/someone/studio/variables" not in hub.asked
    front = yaml.safe_load(space.files["README.md"].decode().split("---\n")[1])
    assert (front["sdk"], front["sdk_version"], front["app_file"]) == ("gradio", "6.31.0", "app.py")


def test_a_space_that_is_there_is_brought_up_to_date(hub: Hub, shell: Callable[..., Said], repository: Path) -> None:
    assert shell("space", "deploy", "someone/studio", "--private")[0] == 0
    space = hub.of("space", "someone/studio")
    assert space.private
    space.files |= {"flowgen/old.py": b"import os", "notes.md": b"its owner's own"}
    space.variables["GRADIO_SERVER_NAME"] = "127.0.0.1"
    spacefile = repository / "Spacefile"
    spacefile.write_text(spacefile.read_text().replace("flavor: cpu-basic", "flavor: zero-a10g"))
    (repository / "flowgen" / "new.py").write_text("")
    assert shell("space", "render")[0] == shell("space", "deploy", "someone/studio")[0] == 0
    assert "flowgen/old.py" not in space.files
    assert {path for path in space.files if not (repository / path).exists()} == {".gitattributes", "notes.md"}
    assert "flowgen/new.py" in space.files
    assert space.files["Spacefile"] == spacefile.read_bytes()
    assert (space.hardware, space.variables["GRADIO_SERVER_NAME"]) == ("zero-a10g", "0.0.0.0")
    assert len(space.commits) == 2
    assert "POST /api/spaces/someone/studio/hardware" in hub.asked
    uploads = [line for line in hub.asked if line.startswith("PUT /lfs/")]
    assert len(uploads) == len(read(spacefile).models), "weights travel once"


def test_what_is_not_in_order_is_not_deployed(hub: Hub, shell: Callable[..., Said], repository: Path) -> None:
    (repository / "checkpoints" / "glow-mnist.safetensors").write_bytes(b"\x80\x04K\x01.")
    code, _, err = shell("space", "deploy", "someone/studio")
    assert code == 2
    assert "was not deployed: The checkpoint 'glow-mnist' is damaged, or no safetensors file" in err
    assert hub.asked == []


@pytest.mark.parametrize(
    ("part", "status", "sentence"),
    [
        ("POST /api/repos/create", 401, "run `hf auth login`, or set HF_TOKEN"),
        ("POST /api/repos/create", 402, "the Hub asks for a paid plan"),
        ("POST /api/repos/create", 403, "it needs write access"),
        ("POST /api/repos/create", 500, "the Hub is out of order (status 500); try again later"),
        ("GET /api/spaces/someone/studio/variables", 404, "it is not there"),
        ("/preupload/", 403, "it needs write access"),
        ("/lfs/", 403, "it needs write access"),
        ("/commit/", 409, "another change came in between; run it again"),
        ("/commit/", 413, "it is too large for the Hub"),
        ("/tree/", 429, "there were too many requests"),
    ],
)
def test_a_refusal_is_a_sentence(hub: Hub, shell: Callable[..., Said], part: str, status: int, sentence: str) -> None:
    hub.refusals[part] = status
    code, out, err = shell("space", "deploy", "someone/studio")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("flowgen: 'someone/studio': ")
    assert sentence in err
    assert TOKEN not in err


@pytest.mark.parametrize("space", ["studio", "a/b/c", "someone/..", "someone/stu dio"])
def test_what_is_no_name_of_a_space(hub: Hub, shell: Callable[..., Said], space: str) -> None:
    code, _, err = shell("space", "deploy", space)
    assert code == 2
    assert f"{space!r} is no name on the Hub; write owner/name." in err
    assert hub.asked == []


def test_a_wrong_token(hub: Hub, shell: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody_else")
    code, _, err = shell("space", "deploy", "someone/studio")
    assert code == 2
    assert "run `hf auth login`, or set HF_TOKEN" in err
    assert hub.repositories == {}


def save(folder: Path, name: str, seed: int) -> Path:
    torch.manual_seed(seed)
    path = folder / f"{name}.safetensors"
    save_checkpoint(path, build(META), META)  # type: ignore[arg-type]
    return path


def test_a_model_is_pushed_with_its_card_and_loaded_again(hub: Hub, shell: Callable[..., Said], tmp_path: Path) -> None:
    one, two = (save(tmp_path, name, seed) for seed, name in enumerate(("one", "two")))
    code, out, _ = shell("push", str(two), "--to", "someone/models")
    assert (code, out) == (0, 'flowgen.load("hf:someone/models/two")\n')
    assert shell("push", str(one), "--to", "someone/models")[0] == 0
    held = hub.of("model", "someone/models")
    assert held.files["one.safetensors"] == one.read_bytes()
    assert held.files["two.safetensors"] == two.read_bytes()
    card = held.files["README.md"].decode()
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "apache-2.0"
    assert card.count("## one\n") == card.count("## two\n") == 1
    assert card.index("## one") < card.index("- glow on mnist, 1x8x8") < card.index("## two")
    assert held.commits == ["Add two", "Add one"]
    x = torch.rand(2, 1, 8, 8)
    fetched, local = flowgen.load("hf:someone/models/two", "cpu"), flowgen.load(str(two), "cpu")
    assert torch.equal(fetched.log_prob(x), local.log_prob(x))
    assert flowgen.describe("hf:someone/models/one").bits_per_dim == 1.5


def test_a_licence_of_its_own_goes_along(hub: Hub, shell: Callable[..., Said], tmp_path: Path) -> None:
    free, faces = save(tmp_path, "free", 0), save(tmp_path, "faces", 1)
    rewrite_meta(faces, dataclasses.replace(META, licence="non-commercial research only"))
    faces.with_suffix(".LICENSE").write_text("For research.")
    for path in (faces, free):
        assert shell("push", str(path), "--to", "someone/models")[0] == 0
    held = hub.of("model", "someone/models")
    assert held.files["faces.LICENSE"] == b"For research."
    assert "free.LICENSE" not in held.files
    card = held.files["README.md"].decode()
    assert yaml.safe_load(card.split("---\n")[1])["license"] == "other"
    assert "- licence: non-commercial research only\n" in card


def test_a_model_that_is_pushed_again_replaces_its_own_card(
    hub: Hub, shell: Callable[..., Said], tmp_path: Path
) -> None:
    path = save(tmp_path, "one", 0)
    assert shell("push", str(path), "--to", "someone/models", "--private")[0] == 0
    before = hub.of("model", "someone/models").files["README.md"]
    assert shell("push", str(path), "--to", "someone/models")[0] == 0
    assert hub.of("model", "someone/models").private
    assert hub.of("model", "someone/models").files["README.md"] == before


@pytest.fixture
def versions(hub: Hub, shell: Callable[..., Said], tmp_path: Path) -> tuple[bytes, bytes]:
    """What hf:someone/models/one was at the tag v1, and is now."""
    first, second = (save(tmp_path, "one", seed).read_bytes() for seed in (0, 1))
    assert shell("push", str(tmp_path / "one.safetensors"), "--to", "someone/models")[0] == 0
    hub.of("model", "someone/models").revisions["v1"] = {"one.safetensors": first}
    return first, second


def test_a_revision_can_be_named(versions: tuple[bytes, bytes]) -> None:
    first, second = versions
    assert library.find("hf:someone/models/one@v1").read_bytes() == first
    assert library.find("hf:someone/models/one").read_bytes() == second


def listed(manifest: Manifest, content: bytes, **other: object) -> Manifest:
    """The manifest with someone/models/one as it was at a commit."""
    facts = {
        "hub": "someone/models/one",
        "revision": "a" * 40,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "dataset": META.dataset,
        "licence": META.licence,
        "bits_per_dim": META.bits_per_dim,
    }
    return manifest.model_copy(update={"models": [*manifest.models, Listed.model_validate(facts | other)]})


def test_a_model_that_the_spacefile_lists_by_a_hub_path(
    hub: Hub, versions: tuple[bytes, bytes], repository: Path
) -> None:
    manifest = listed(read(repository / "Spacefile"), versions[0])
    hub.of("model", "someone/models").revisions["a" * 40] = {"one.safetensors": versions[0]}
    (path,) = from_hub(manifest).values()
    assert path.read_bytes() == versions[0]
    library = Library(repository / "none", elsewhere=from_hub(manifest))
    assert library.names() == ["one"]
    assert library.load("one").event_shape == (1, 8, 8)
    front = yaml.safe_load(front_matter(manifest).split("---\n")[1])
    assert front["models"] == ["someone/models"]
    assert front["preload_from_hub"] == [f"someone/models one.safetensors {'a' * 40}"]
    render(repository, manifest)
    assert check(repository, manifest, hub=True) == []
    assert "checkpoints/one.safetensors" not in present(repository, manifest)


def test_what_a_hub_path_holds_is_not_what_is_listed(
    hub: Hub, versions: tuple[bytes, bytes], repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = read(repository / "Spacefile")
    hub.of("model", "someone/models").revisions["a" * 40] = {"one.safetensors": versions[1]}
    other = listed(before, versions[0])
    assert from_hub(other) == {}
    assert "is not the file that the Spacefile lists, by its sha256" in caplog.text
    assert any("by its sha256" in said for said in check(repository, other, hub=True))
    figure = listed(before, versions[1], bits_per_dim=1.4, licence="MIT")
    said = [sentence for sentence in check(repository, figure, hub=True) if sentence.startswith("hf:")]
    assert ["licence Apache-2.0" in said[0], "bits_per_dim 1.5" in said[1], len(said)] == [True, True, 2]
    gone = listed(before, versions[1], revision="b" * 40)
    assert from_hub(gone) == {}
    assert "it is not there" in caplog.text


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("hf:someone/models/two", "someone/models/two.safetensors': it is not there"),
        ("hf:someone/models/one@v2", "someone/models/one.safetensors@v2': it is not there"),
        ("hf:someone/others/one", "it is not there"),
        ("hf:some one/models/one", "is no name on the Hub; write owner/name"),
    ],
)
def test_a_model_that_is_not_on_the_hub(versions: tuple[bytes, bytes], name: str, sentence: str) -> None:
    with pytest.raises(FlowgenError, match=sentence):
        library.find(name)


@pytest.mark.parametrize(("status", "sentence"), [(401, "not for you to see"), (403, "does not allow"), (503, "503")])
def test_a_model_that_the_hub_refuses(hub: Hub, versions: tuple[bytes, bytes], status: int, sentence: str) -> None:
    hub.refusals["HEAD /someone/models/resolve/main/one.safetensors"] = status
    with pytest.raises(FlowgenError, match=sentence):
        library.find("hf:someone/models/one")


def test_no_hub_at_all(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    )
    with pytest.raises(FlowgenError, match="the Hub cannot be reached"):
        library.find("hf:someone/models/one")


def test_what_the_client_says_of_its_tries_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.get_logger("huggingface_hub.utils._http")

    def try_in_vain() -> None:
        with sentences("a/b"):
            log.warning("Retrying in 1s [Retry 1/5].")
            raise OSError

    with pytest.raises(FlowgenError, match="cannot be reached"):
        try_in_vain()
    log.warning("This concerns somebody else.")
    assert caplog.messages == ["This concerns somebody else."]


def test_a_full_disk_is_not_the_hubs_fault() -> None:
    with pytest.raises(FlowgenError, match="'someone/models': no space left on device"), sentences("someone/models"):
        raise RuntimeError("while downloading") from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
