"""The endpoints, called as strangers call them."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import ValidationError
from PIL import Image

import flowgen
from flowgen.data import Images
from flowgen.inference import METHODS, methods_of

ENDPOINTS = {"/models", "/sample", "/interpolate", "/inpaint", "/edit", "/score", "/heat_map"}


@pytest.fixture(scope="module")
def client(studio: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(studio, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))
    yield client
    client.close()


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def saved(folder: Path, name: str, picture: Image.Image, **options: Any) -> Any:
    path = folder / name
    picture.save(path, **options)
    return handle_file(path)


def test_the_page_of_the_api_shows_every_endpoint_with_types(studio: str) -> None:
    endpoints = httpx.get(f"{studio}/gradio_api/info", trust_env=False).json()["named_endpoints"]
    assert set(endpoints) == ENDPOINTS
    for endpoint in endpoints.values():
        assert endpoint["description"]
        assert all(argument["label"] and argument["type"] for argument in endpoint["parameters"])


def test_models_describes_what_can_be_read_and_leaves_out_the_damaged(client: Client) -> None:
    models = client.predict(api_name="/models")
    assert [model["name"] for model in models] == ["colour", "gray", "ordered"]
    assert models[1]["event_shape"] == [1, 28, 28]
    assert models[1]["bits_per_dim"] > 0


def test_sample_gives_images_that_a_seed_gives_again(client: Client) -> None:
    first, settings = client.predict("gray", 3, 0.7, 5, api_name="/sample")
    again, _ = client.predict("gray", 2, 0.7, 5, api_name="/sample")
    other, _ = client.predict("gray", 2, 0.7, 6, api_name="/sample")
    assert [pixels(path).shape for path in first] == [(28, 28)] * 3
    assert np.array_equal(pixels(first[1]), pixels(again[1]))
    assert not np.array_equal(pixels(first[0]), pixels(other[0]))
    assert settings == {"model": "gray", "num": 3, "temperature": 0.7, "seed": 5, "label": None}


@pytest.mark.parametrize(("model", "usual"), [("gray", 0.8), ("ordered", 1.0)])
def test_without_a_temperature_the_model_has_its_usual_one(client: Client, model: str, usual: float) -> None:
    images, settings = client.predict(model=model, num=1, seed=5, api_name="/sample")
    named, _ = client.predict(model=model, num=1, temperature=usual, seed=5, api_name="/sample")
    assert settings["temperature"] == usual
    assert np.array_equal(pixels(images[0]), pixels(named[0]))


@pytest.mark.parametrize("path", ["spherical", "linear"])
def test_interpolate_ends_in_the_two_images(client: Client, tmp_path: Path, mnist: Images, path: str) -> None:
    ends = [mnist.levels[i, 0].numpy() for i in (0, 1)]
    files = [saved(tmp_path, f"{i}.png", Image.fromarray(end)) for i, end in enumerate(ends)]
    images, strip, animation, _ = client.predict("gray", *files, 5, path, api_name="/interpolate")
    assert len(images) == 5
    assert np.array_equal(pixels(images[0]), ends[0])
    assert np.array_equal(pixels(images[-1]), ends[1])
    assert pixels(strip).shape[1] > 5 * 28
    with Image.open(animation) as film:
        assert film.n_frames == 8


def test_edit_moves_an_image_along_an_attribute_and_back(client: Client, tmp_path: Path, cifar10: Images) -> None:
    original = cifar10.levels[0].permute(1, 2, 0).numpy()
    file = saved(tmp_path, "photo.png", Image.fromarray(original))
    same, _ = client.predict("colour", file, {}, api_name="/edit")
    more, settings = client.predict("colour", file, {"Smiling": 2}, api_name="/edit")
    assert np.array_equal(pixels(same), original)
    assert pixels(more).shape == original.shape
    assert not np.array_equal(pixels(more), original)
    assert settings == {"model": "colour", "amounts": {"Smiling": 2.0}}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("gray", {}), "model must be one of colour"),
        (("colour", {"Bald": 1}), "amounts must be one of Smiling, Blond_Hair"),
        (("colour", {"Smiling": 3}), "amounts must be a number from -2 to 2"),
        (("colour", [1]), "amounts must be an object"),
    ],
)
def test_what_cannot_be_edited_is_refused(client: Client, digit: Path, arguments: tuple[Any, Any], words: str) -> None:
    model, amounts = arguments
    with pytest.raises(ValidationError, match=words):
        client.predict(model, handle_file(digit), amounts, api_name="/edit")


@pytest.mark.parametrize("method", METHODS)
def test_inpaint_fills_the_hole_and_nothing_else(
    client: Client, tmp_path: Path, mnist: Images, checkpoints: Path, method: str
) -> None:
    image = mnist.levels[2, 0].numpy()
    mask = np.zeros_like(image)
    mask[20:] = 255  # what comes last, so that a model that draws in order can fill it in too
    arguments = saved(tmp_path, "i.png", Image.fromarray(image)), saved(tmp_path, "m.png", Image.fromarray(mask))
    options = {"step_size": 0.02} if hasattr(METHODS[method](), "step_size") else {}
    model = fitting(checkpoints, method)
    num, steps = (1, 1) if method == "gibbs" else (2, 4)  # which tries all 256 levels of a pixel in each of 10 classes
    images, report = client.predict(model, *arguments, method, num, steps, 3, options, api_name="/inpaint")
    assert len(images) == num
    for filled in map(pixels, images):
        assert np.array_equal(filled[mask == 0], image[mask == 0])
        assert not np.array_equal(filled[mask == 255], image[mask == 255])
    assert report["hidden_pixels"] == 8 * 28
    assert report["options"] == options
    assert len(report["log_density"]) == num
    assert report["diagnostics"]["verdict"]


def fitting(checkpoints: Path, method: str) -> str:
    """A model that the method fits."""
    names = ("gray", "ordered")
    return next(name for name in names if method in methods_of(flowgen.load(f"{checkpoints / name}.safetensors")))


def test_a_model_of_classes_draws_the_one_it_is_asked_for(client: Client) -> None:
    three, settings = client.predict("ordered", 2, 1.0, 5, "3", api_name="/sample")
    four, _ = client.predict("ordered", 2, 1.0, 5, "4", api_name="/sample")
    assert settings["label"] == "3"
    assert not np.array_equal(pixels(three[0]), pixels(four[0]))


def test_a_model_that_draws_in_order_completes_what_comes_last(client: Client, tmp_path: Path, mnist: Images) -> None:
    image = mnist.levels[2, 0].numpy()
    mask = np.zeros_like(image)
    mask[20:] = 255
    arguments = saved(tmp_path, "i.png", Image.fromarray(image)), saved(tmp_path, "m.png", Image.fromarray(mask))
    images, report = client.predict("ordered", *arguments, "in_order", 2, 4, 3, None, api_name="/inpaint")
    for filled in map(pixels, images):
        assert np.array_equal(filled[:20], image[:20])
        assert not np.array_equal(filled[20:], image[20:])
    assert len(report["log_density"]) == 2


@pytest.mark.parametrize(
    ("model", "first_row", "usual"),
    [("gray", 20, "gradient_ascent"), ("ordered", 27, "in_order"), ("ordered", 26, "raster_smc")],
)
def test_without_a_method_the_hole_is_filled_in_by_the_usual_one(
    client: Client, tmp_path: Path, digit: Path, model: str, first_row: int, usual: str
) -> None:
    mask = np.zeros((28, 28), np.uint8)
    mask[first_row:] = 255
    mask[27, 27] = 0 if usual == "raster_smc" else 255  # then something known comes after the hole
    mask_file = saved(tmp_path, "m.png", Image.fromarray(mask))
    call = {"model": model, "image": handle_file(digit), "mask": mask_file}
    _, report = client.predict(**call, num=1, steps=4, api_name="/inpaint")
    assert report["method"] == usual


@pytest.mark.parametrize(("model", "method"), [("gray", "in_order"), ("ordered", "langevin")])
def test_a_method_that_does_not_fit_the_model_is_refused(client: Client, digit: Path, model: str, method: str) -> None:
    with pytest.raises(ValidationError, match=f"method: method {method} does not fit the model {model}; these do"):
        client.predict(model, handle_file(digit), handle_file(digit), method, 1, 2, 0, None, api_name="/inpaint")


def test_score_asks_every_model(client: Client, digit: Path) -> None:
    scores = client.predict(handle_file(digit), api_name="/score")
    assert {score["model"] for score in scores} == {"gray", "colour", "ordered"}
    assert [score["bits_per_dim"] for score in scores] == sorted(score["bits_per_dim"] for score in scores)
    assert all(0 <= score["percent_costlier"] <= 100 for score in scores)


@pytest.mark.parametrize(("model", "exact"), [("ordered", True), ("gray", False)])
def test_a_heat_map_says_where_the_bits_go(client: Client, digit: Path, model: str, exact: bool) -> None:
    picture, report = client.predict(model, handle_file(digit), api_name="/heat_map")
    bits = np.array(report["pixel_bits"])
    assert pixels(picture).shape == (28, 28, 3)
    assert bits.shape == (28, 28)
    assert bits.min() >= 0
    assert report["exact"] == exact
    assert (abs(bits.sum() - report["bits"]) < 1) == exact
    scores = client.predict(handle_file(digit), api_name="/score")
    (score,) = (each["bits_per_dim"] for each in scores if each["model"] == model)
    assert report["bits"] == pytest.approx(784 * score, abs=0.01)


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("gray.png", "L", {}),
        ("colour.jpg", "RGB", {}),
        ("print.jpg", "CMYK", {}),
        ("palette.gif", "P", {}),
        ("transparent.webp", "RGBA", {}),
        ("deep.png", "I;16", {}),
        ("bits.tiff", "1", {}),
    ],
)
def test_score_takes_pictures_of_every_kind(
    client: Client, tmp_path: Path, name: str, mode: str, options: dict[str, Any]
) -> None:
    picture = Image.linear_gradient("L").resize((90, 60))
    deep = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    file = saved(tmp_path, name, deep if mode == "I;16" else picture.convert(mode), **options)
    assert len(client.predict(file, api_name="/score")) == 3


def animated() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("L", (30, 30), shade) for shade in (0, 100, 200)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


def png(size: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("1", size).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not a picture"),
        (b"hello, I am a text", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (png((200, 200))[:60], "damaged|not a picture"),
        (animated(), "animated"),
        (png((1, 1)), "1x1"),
        (png((30_000, 1)), "30000x1"),
        (png((12_000, 12_000)), "144,000,000|too many pixels"),
    ],
    ids=["empty", "text", "svg", "truncated", "animated", "tiny", "long", "bomb"],
)
def test_what_is_no_picture_is_refused_in_a_sentence(
    client: Client, tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "upload.png"
    path.write_bytes(content)
    with pytest.raises(ValidationError, match=sentence) as refusal:
        client.predict(handle_file(path), api_name="/score")
    assert "/" not in str(refusal.value).replace("uploaded", "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nobody", 3, 0.8, 0], "model must be one of colour, gray, ordered, not 'nobody'"),
        (["damaged", 3, 0.8, 0], "model must be one of"),
        (["../gray", 3, 0.8, 0], "model must be one of"),
        ([None, 3, 0.8, 0], "model must be one of"),
        (["gray", 0, 0.8, 0], "num must be a whole number from 1 to 64, not 0"),
        (["gray", -1, 0.8, 0], "num must be"),
        (["gray", 1e30, 0.8, 0], "num must be"),
        (["gray", 2.5, 0.8, 0], "num must be"),
        (["gray", "3", 0.8, 0], "num must be"),
        (["gray", True, 0.8, 0], "num must be"),
        (["gray", 3, float("nan"), 0], "temperature must be a number from 0 to 2"),
        (["gray", 3, float("inf"), 0], "temperature must be"),
        (["gray", 3, -0.1, 0], "temperature must be"),
        (["gray", 3, 0.8, -1], "seed must be"),
        (["gray", 3, 0.8, 10**40], "seed must be"),
        (["gray", 3, 0.8, [1]], "seed must be"),
        (["gray", 3, 0.8, 0, "seven"], "knows no classes"),
        (["ordered", 3, 0.8, 0, "seven"], "label must be one of 0, 1, 2"),
    ],
)
def test_arguments_out_of_order_get_422_and_a_sentence(studio: str, arguments: list[Any], sentence: str) -> None:
    body = json.dumps({"data": arguments + [None] * (5 - len(arguments))})
    response = httpx.post(f"{studio}/gradio_api/call/sample", content=body, headers=JSON, trust_env=False)
    assert response.status_code == 422
    messages = [verdict["message"] for verdict in response.json()["detail"] if not verdict["is_valid"]]
    assert len(messages) == 1
    assert sentence in messages[0]


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("call", "body", "status"),
    [
        ("sample", {"data": ["gray"]}, 400),
        ("sample", {"data": 7}, 422),
        ("score", {"data": ["/etc/passwd"]}, 400),
        ("score", {"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]}, 400),
        ("score", {"data": [{"path": "../../app.py", "meta": {"_type": "gradio.FileData"}}]}, 400),
        ("score", {"data": [None]}, 422),
        ("nothing", {"data": []}, 404),
        ("v2/sample", {"model": "nobody"}, 422),
        ("v2/sample", {"colour": "red"}, 400),
        ("v2/nothing", {}, 400),
    ],
)
def test_calls_out_of_order_get_a_status_in_the_400s(studio: str, call: str, body: Any, status: int) -> None:
    response = httpx.post(f"{studio}/gradio_api/call/{call}", json=body, trust_env=False)
    assert response.status_code == status
    assert response.json()["detail"]
    assert not any(word in response.text for word in ("Traceback", "site-packages", "/tmp", "/etc", "app.py"))


def test_nobody_gets_around_the_queue(studio: str) -> None:
    body = {"data": ["gray", 1, 0.8, 0, None]}
    assert httpx.post(f"{studio}/gradio_api/run/sample", json=body, trust_env=False).status_code == 404


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (np.zeros((28, 28), np.uint8), "nothing to fill in"),
        (np.full((28, 28), 255, np.uint8), "covers everything"),
        (np.full((27, 28), 255, np.uint8), "make it as large"),
    ],
    ids=["empty", "full", "of another size"],
)
def test_masks_out_of_order_are_refused(
    client: Client, tmp_path: Path, digit: Path, mask: np.ndarray, sentence: str
) -> None:
    file = saved(tmp_path, "mask.png", Image.fromarray(mask))
    with pytest.raises(ValidationError, match=f"mask: .*{sentence}"):
        client.predict("gray", handle_file(digit), file, "langevin", 1, 2, 0, None, api_name="/inpaint")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"step_size": -1}, "step_size"),
        ({"step_size": "large"}, "step_size"),
        ({"stride": 1}, "stride"),
        ([1], "JSON object"),
    ],
)
def test_methods_settings_out_of_order_are_refused(client: Client, digit: Path, options: Any, sentence: str) -> None:
    with pytest.raises(ValidationError, match=f"options: .*{sentence}"):
        client.predict(
            "gray", handle_file(digit), handle_file(digit), "langevin", 1, 2, 0, options, api_name="/inpaint"
        )
