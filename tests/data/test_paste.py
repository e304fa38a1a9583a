"""A completion pasted back: the hole is the model's, everything else the picture's own."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from flowgen.data import Images
from flowgen.data.paste import blend, paste_back
from flowgen.data.pictures import centred_box, from_levels, mask_to_known, open_picture, png_bytes, to_levels

KNOWN = torch.ones(32, 32, dtype=torch.bool)
KNOWN[10:20, 5:12] = False


def photograph(width: int, height: int) -> Image.Image:
    """Noise, so that one changed pixel is seen."""
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("size", [(641, 480), (32, 32), (333, 1000), (20, 20)])
def test_outside_the_mask_nothing_changes_and_inside_everything_is_the_models(size: tuple[int, int]) -> None:
    picture = photograph(*size)
    box = centred_box(size, (3, 32, 32))
    red = torch.zeros(3, 32, 32, dtype=torch.uint8)
    red[0] = 250
    pasted = np.asarray(paste_back(picture, box, red, KNOWN))
    changed = np.zeros(size[::-1], bool)
    side = box[2] - box[0]
    middles = (np.arange(side) + 0.5) * 32 / side
    inside = ((middles >= 10) & (middles < 20))[:, None] & ((middles >= 5) & (middles < 12))[None]
    changed[box[1] : box[3], box[0] : box[2]] = inside
    assert np.array_equal(pasted[~changed], np.asarray(picture)[~changed])
    assert (pasted[changed] == [250, 0, 0]).all()
    assert changed.any()


def test_at_the_models_own_size_the_completion_itself_comes_back(cifar10: Images) -> None:
    image, other = cifar10.levels[:2]
    pasted = paste_back(from_levels(image), (0, 0, 32, 32), other, KNOWN)
    assert torch.equal(to_levels(pasted, (3, 32, 32)), torch.where(KNOWN, image, other))


def test_a_feather_fades_within_its_band_and_leaves_the_rest() -> None:
    weights = blend(KNOWN, (320, 320), feather=2)
    y, x = (np.arange(320) + 0.5)[:, None] / 10, (np.arange(320) + 0.5)[None] / 10
    distance = np.hypot(np.maximum(10 - y, y - 20).clip(0, None), np.maximum(5 - x, x - 12).clip(0, None))
    assert np.allclose(weights, (1 - distance / 2).clip(0, 1), atol=1e-5)
    picture = photograph(320, 320)
    pasted = np.asarray(paste_back(picture, (0, 0, 320, 320), torch.zeros(3, 32, 32).byte(), KNOWN, feather=2))
    assert np.array_equal(pasted[distance >= 2], np.asarray(picture)[distance >= 2])
    assert (pasted[distance == 0] == 0).all()
    band = (distance > 0) & (distance < 1)
    assert (pasted[band] < np.asarray(picture)[band]).mean() > 0.9


def test_two_holes_share_their_band() -> None:
    known = torch.ones(8, 8, dtype=torch.bool)
    known[2, 2] = known[6, 5] = False
    both = blend(known, (80, 80), feather=3)
    first, second = known.clone(), known.clone()
    first[6, 5] = second[2, 2] = True
    assert np.array_equal(both, np.maximum(blend(first, (80, 80), 3), blend(second, (80, 80), 3)))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_ink_on_paper_comes_back_as_ink_on_paper(mnist: Images, mode: str) -> None:
    ink = from_levels(220 - (mnist.levels[0].float() * 0.75).byte())
    picture = ink.resize((280, 280), Image.Resampling.NEAREST).convert(mode)
    known = torch.ones(28, 28, dtype=torch.bool)
    known[8:20] = False
    seen = to_levels(picture, (1, 28, 28))
    assert (seen[:, known] == 0).float().mean() > 0.7, "the model sees it inverted"
    pasted = paste_back(picture, (0, 0, 280, 280), seen, known)
    assert pasted.mode == mode
    block = np.asarray(pasted.convert("L"), float)[5::10, 5::10]
    assert np.abs(block - np.asarray(ink, float)).max() <= 20, "up to the enlargement"
    assert np.abs(block - np.asarray(ink, float)).mean() < 2


def test_gray_goes_into_a_colour_picture_in_its_colours() -> None:
    gray = np.random.default_rng(1).integers(0, 200, (28, 28), np.uint8)
    sepia = np.stack([gray + 40, gray + 20, gray], axis=2)
    picture = Image.fromarray(sepia)
    known = torch.ones(28, 28, dtype=torch.bool)
    known[10:18, 10:18] = False
    seen = to_levels(picture, (1, 28, 28), invert=False)
    pasted = np.asarray(paste_back(picture, (0, 0, 28, 28), seen, known), int)
    assert np.abs(pasted - sepia).max() <= 1


def test_a_profile_of_its_colours_goes_along_and_one_of_other_colours_does_not() -> None:
    fill, known = torch.zeros(3, 32, 32).byte(), KNOWN
    for space, kept in ((b"RGB ", True), (b"CMYK", False)):
        picture = photograph(32, 32)
        picture.info["icc_profile"] = b"\0" * 16 + space
        assert ("icc_profile" in paste_back(picture, (0, 0, 32, 32), fill, known).info) is kept


def test_a_photograph_that_is_turned_by_its_metadata_is_filled_in_as_one_sees_it() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = photograph(60, 40)
    upright = open_picture(_saved(stored, exif))
    assert upright.size == (40, 60)
    pasted = paste_back(upright, (0, 10, 40, 50), torch.zeros(3, 32, 32).byte(), KNOWN)
    again = open_picture(png_bytes(pasted))
    assert np.array_equal(np.asarray(again)[:10], np.asarray(stored.transpose(Image.Transpose.ROTATE_270))[:10])


def _saved(picture: Image.Image, exif: Image.Exif) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", exif=exif)
    return file.getvalue()


def test_a_mask_and_a_picture_are_cropped_alike() -> None:
    picture, mask = photograph(200, 100), Image.new("L", (200, 100))
    mask.paste(255, (120, 20, 140, 40))
    box = (100, 0, 200, 100)
    known = mask_to_known(mask, picture.size, (3, 10, 10), box=box)
    assert (~known).nonzero().tolist() == [[2, 2], [2, 3], [3, 2], [3, 3]]
    seen = to_levels(picture, (3, 10, 10), box=box)
    assert torch.equal(seen, to_levels(picture.crop(box), (3, 10, 10)))
