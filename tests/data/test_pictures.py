"""Pictures to a model's shape and back: nothing changed that fits, everything else brought to fit."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from flowgen.data import DATASETS, Images
from flowgen.data.pictures import from_levels, grid, mask_to_known, open_picture, png_bytes, to_levels
from flowgen.errors import FlowgenError


def test_an_image_of_the_data_comes_back_byte_for_byte(mnist: Images, fashion_mnist: Images, cifar10: Images) -> None:
    for images in (mnist, fashion_mnist, cifar10):
        for k in images.levels:
            assert torch.equal(to_levels(open_picture(png_bytes(from_levels(k))), images.event_shape), k)


@pytest.mark.parametrize("levels", [2, 3, 256])
def test_levels_are_equal_steps_of_the_byte(levels: int) -> None:
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    k = to_levels(ramp, (1, 16, 16), levels=levels, invert=False)
    assert torch.equal(k.flatten().long(), torch.arange(256) * levels // 256)
    assert torch.equal(to_levels(from_levels(k, levels), (1, 16, 16), levels=levels, invert=False), k)


def photograph_of_ink(digit: Tensor) -> Image.Image:
    """A digit as a camera sees it: dark ink on paper that is not quite white, darker to one side, with grain."""
    large = Image.fromarray(digit[0].numpy()).resize((420, 420), Image.Resampling.BICUBIC)
    paper = np.linspace(225, 195, 420)[None, :] + np.random.default_rng(0).normal(0, 3, (420, 420))
    return Image.fromarray((paper * (1 - 0.85 * np.asarray(large, float) / 255)).clip(0, 255).astype(np.uint8))


def test_ink_on_paper_becomes_light_on_black(mnist_levels: Tensor) -> None:
    for digit in mnist_levels[:20]:
        seen = to_levels(photograph_of_ink(digit), (1, 28, 28)).float()
        assert (seen - digit).abs().mean() < 12
        assert seen[digit == 0].median() == 0
        assert seen.max() == 255


def test_inverts_only_when_asked_or_where_the_border_is_bright() -> None:
    paper = Image.new("L", (28, 28), "white")
    ImageDraw.Draw(paper).line((8, 8, 20, 20), fill="black", width=3)
    as_is = to_levels(paper, (1, 28, 28), invert=False)
    assert torch.equal(to_levels(paper, (1, 28, 28), invert=True), 255 - as_is)
    assert torch.equal(to_levels(paper, (1, 28, 28)), 255 - as_is)
    assert torch.equal(to_levels(paper.convert("RGB"), (3, 28, 28)), as_is.expand(3, -1, -1))
    assert torch.equal(to_levels(from_levels(255 - as_is), (1, 28, 28)), 255 - as_is)


@pytest.mark.parametrize("shade", [0, 200, 255])
def test_blank_paper_is_blank(shade: int) -> None:
    assert to_levels(Image.new("L", (100, 100), shade), (1, 28, 28)).max() == 0


@pytest.fixture
def stripes() -> Image.Image:
    """Red, green and blue, side by side, 90x30."""
    picture = Image.new("RGB", (90, 30), "red")
    picture.paste("lime", (30, 0, 60, 30))
    picture.paste("blue", (60, 0, 90, 30))
    return picture


def test_crop_keeps_the_middle(stripes: Image.Image) -> None:
    k = to_levels(stripes, (3, 10, 10))
    assert k.flatten(1).unique(dim=1).flatten().tolist() == [0, 255, 0]
    upright = stripes.transpose(Image.Transpose.ROTATE_90)
    assert torch.equal(to_levels(upright, (3, 10, 10)), k)


def test_pad_keeps_everything_and_continues_the_border(stripes: Image.Image) -> None:
    stripes.paste("white", (0, 0, 90, 10))
    stripes.paste("white", (0, 20, 90, 30))
    k = to_levels(stripes, (3, 30, 30), fit="pad")
    assert (k[:, :10] == 255).all()
    assert (k[:, 20:] == 255).all()
    assert k[:, 15, 2].tolist() == [255, 0, 0]
    assert k[:, 15, 15].tolist() == [0, 255, 0]
    assert k[:, 15, 27].tolist() == [0, 0, 255]
    assert to_levels(photograph_of_ink(torch.zeros(1, 28, 28)).resize((300, 100)), (1, 28, 28), fit="pad").max() < 255


def test_scales_without_aliasing() -> None:
    checks = Image.fromarray((np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8))
    k = to_levels(checks, (1, 32, 32), invert=False).float()
    assert (k - 127.5).abs().max() < 3


@pytest.mark.parametrize("size", [(8, 8), (27, 29), (28, 28), (4000, 9), (9, 4000), (1999, 1333)])
@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("event_shape", [(1, 28, 28), (3, 32, 32), (3, 17, 40)])
def test_every_size_comes_to_every_shape(size: tuple[int, int], fit: str, event_shape: tuple[int, ...]) -> None:
    k = to_levels(Image.new("RGB", size, "gray"), event_shape, fit=fit, invert=False)
    assert (tuple(k.shape), k.dtype) == (event_shape, torch.uint8)
    assert (k == 128).all()


def test_refuses_a_model_that_takes_no_pictures() -> None:
    with pytest.raises(FlowgenError, match="the model has 2"):
        to_levels(Image.new("L", (10, 10)), (2, 10, 10))


# Masks


def painted(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste("white", box)
    return mask


def test_white_is_what_to_fill_in() -> None:
    known = mask_to_known(painted((28, 28), (4, 6, 10, 20)), (28, 28), (1, 28, 28))
    assert (known.shape, known.dtype) == ((28, 28), torch.bool)
    assert not known[6:20, 4:10].any()
    assert known.sum() == 28 * 28 - 14 * 6


def test_a_thin_stroke_on_a_large_picture_hides_the_pixels_it_touches() -> None:
    mask = painted((840, 840), (100, 405, 700, 408))
    known = mask_to_known(mask, (840, 840), (1, 28, 28))
    hidden_rows, hidden_columns = (~known).nonzero(as_tuple=True)
    assert hidden_rows.unique().tolist() == [13]
    assert hidden_columns.tolist() == list(range(3, 24))


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("size", [(300, 120), (120, 300), (100, 100), (20, 14)])
def test_the_mask_lies_on_the_picture_however_both_are_fitted(size: tuple[int, int], fit: str) -> None:
    """A picture that is white where the mask is: every pixel that is not quite black must be hidden."""
    width, height = size
    mask = painted(size, (width // 2 - 5, height // 2 - 4, width // 2 + 3, height // 2 + 6))
    known = mask_to_known(mask, size, (1, 28, 28), fit=fit)
    shown = to_levels(mask, (1, 28, 28), invert=False, fit=fit)[0]
    assert (shown[~known] > 0).any()
    assert shown[known].max() < 80  # what resizing spreads beyond the edge
    assert known.float().mean() > 0.3


def test_a_mask_may_be_as_large_as_what_the_model_sees() -> None:
    small = painted((28, 28), (4, 6, 10, 20))
    known = mask_to_known(small, (28, 28), (1, 28, 28))
    assert torch.equal(mask_to_known(small, (1600, 1200), (1, 28, 28)), known)
    assert torch.equal(mask_to_known(small, (1600, 1200), (1, 28, 28), box=(0, 0, 500, 500)), known)


def test_masks_of_any_kind_are_read() -> None:
    mask = painted((28, 28), (4, 6, 10, 20))
    known = mask_to_known(mask, (28, 28), (1, 28, 28))
    for variant in (mask.convert("1"), mask.convert("RGB"), mask.convert("P"), mask.point([20] * 128 + [180] * 128)):
        assert torch.equal(mask_to_known(open_picture(variant), (28, 28), (1, 28, 28)), known)


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (painted((28, 28), (0, 0, 0, 0)), "marks nothing"),
        (painted((28, 28), (0, 0, 28, 28)), "covers everything"),
        (painted((29, 28), (4, 4, 8, 8)), "The mask is 29x28, but the picture 28x28"),
        (painted((28, 28), (4, 4, 8, 8)).point([0] * 255 + [127]), "marks nothing"),
    ],
)
def test_refuses_masks_that_leave_nothing_to_do(mask: Image.Image, sentence: str) -> None:
    with pytest.raises(FlowgenError, match=sentence):
        mask_to_known(mask, (28, 28), (1, 28, 28))


def test_refuses_a_mask_that_the_crop_leaves_empty() -> None:
    with pytest.raises(FlowgenError, match="marks nothing"):
        mask_to_known(painted((300, 100), (0, 0, 90, 100)), (300, 100), (1, 28, 28))


# Back to pictures


def test_from_levels_is_gray_or_colour(mnist_levels: Tensor, cifar10_levels: Tensor) -> None:
    gray, colour = from_levels(mnist_levels[0]), from_levels(cifar10_levels[0])
    assert (gray.mode, gray.size) == ("L", (28, 28))
    assert (colour.mode, colour.size) == ("RGB", (32, 32))
    assert colour.getpixel((3, 5)) == tuple(cifar10_levels[0, :, 5, 3].tolist())
    assert np.asarray(from_levels(torch.tensor([[[0, 1, 2]]], dtype=torch.uint8), levels=3)).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize(
    ("number", "columns", "size"), [(1, None, (28, 28)), (5, None, (88, 58)), (5, 2, (58, 88)), (3, 8, (88, 28))]
)
def test_grid_places_images_row_by_row(
    number: int, columns: int | None, size: tuple[int, int], mnist_levels: Tensor
) -> None:
    sheet = grid(mnist_levels[:number], columns)
    assert sheet.size == size
    across = (size[0] + 2) // 30
    for i in range(number):
        left, upper = i % across * 30, i // across * 30
        tile = np.asarray(sheet.crop((left, upper, left + 28, upper + 28)))
        assert (tile == mnist_levels[i, 0].numpy()).all()


def test_grid_refuses_nothing() -> None:
    with pytest.raises(FlowgenError, match="at least one"):
        grid(torch.zeros(0, 1, 28, 28, dtype=torch.uint8))


def test_png_keeps_pixels_and_texts(cifar10_levels: Tensor) -> None:
    picture = from_levels(cifar10_levels[0])
    reopened = Image.open(io.BytesIO(png_bytes(picture, {"seed": "7", "note": "naïve 漢字"})))
    assert np.array_equal(np.asarray(reopened), np.asarray(picture))
    assert (reopened.text["seed"], reopened.text["note"]) == ("7", "naïve 漢字")


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_every_dataset_says_which_way_up_its_light_is(name: str) -> None:
    assert DATASETS[name].light_on_dark == (name in ("mnist", "fashion_mnist"))


def test_an_enlarged_digit_comes_back_byte_for_byte(mnist_levels: Tensor) -> None:
    for digit in mnist_levels[:20]:
        enlarged = from_levels(digit).resize((280, 280), Image.Resampling.NEAREST)
        assert torch.equal(to_levels(enlarged, (1, 28, 28)), digit)
