"""RandAugment's operations against numpy's, and against what their names promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from edgetune.distill.rand_augment import GREY, RANDOM, apply, rand_augment

PAPER = 14  # operations, table 1 of AutoAugment without its invert, cutout and sample pairing, with identity


def picture(channels: int = 3, side: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, channels), dtype=np.uint8)


def done(image: np.ndarray, name: str, level: float) -> np.ndarray:
    pixels = image[:, :, 0] if image.shape[2] == 1 else image
    return np.asarray(apply(Image.fromarray(pixels), name, level)).reshape(image.shape)


@given(st.sampled_from([1, 3]), st.integers(1, 10), st.integers(0, 1000), st.integers(8, 20))
def test_pictures_stay_pictures(channels: int, magnitude: int, seed: int, side: int) -> None:
    images = np.stack([picture(channels, side, i) for i in range(4)])
    changed = rand_augment(images, np.random.default_rng(seed), magnitude=magnitude)
    assert changed.shape == images.shape and changed.dtype == np.uint8
    again = rand_augment(images, np.random.default_rng(seed), magnitude=magnitude)
    assert np.array_equal(changed, again)


def test_all_operations_of_the_paper_are_drawn() -> None:
    assert len(RANDOM) == PAPER
    images = np.stack([picture()] * 200)
    kinds = {row.tobytes() for row in rand_augment(images, np.random.default_rng(0), magnitude=9)}
    assert len(kinds) > 100


@pytest.mark.parametrize("name", sorted(set(RANDOM) - {"auto-contrast", "equalize"}))
@pytest.mark.parametrize("channels", [1, 3])
def test_at_level_zero_nothing_changes(name: str, channels: int) -> None:
    assert np.array_equal(done(picture(channels), name, 0.0), picture(channels))


@pytest.mark.parametrize("shift", [4, -4, 9])
def test_translation_moves_by_45_percent_at_most(shift: int) -> None:
    image = picture(side=20)
    padded = np.pad(image, ((9, 9), (9, 9), (0, 0)), constant_values=GREY)
    across, down = done(image, "translate-x", shift / 9), done(image, "translate-y", shift / 9)
    inner = slice(1, -1)  # at the rim pixels are blended with what comes in
    for moved, expected in (
        (across, padded[9:29, 9 + shift : 29 + shift]),
        (down, padded[9 + shift : 29 + shift, 9:29]),
    ):
        np.testing.assert_allclose(moved[inner, inner].astype(int), expected[inner, inner], atol=1)


def test_tones_are_numpys() -> None:
    image = picture()
    assert np.array_equal(done(image, "solarize", 0.5), np.where(image < 128, image, 255 - image))
    assert np.array_equal(done(image, "posterize", 0.5), image & 0b11111100)
    brighter = np.clip(image.astype(float) * 1.45, 0, 255)
    np.testing.assert_allclose(done(image, "brightness", 0.5), brighter, atol=1)
    low, high = image.min((0, 1)), image.max((0, 1))
    np.testing.assert_allclose(done(image, "auto-contrast", 0), (image - low) * (255 / (high - low)), atol=1)


def test_no_colour_at_all_is_grey() -> None:
    grey = done(picture(), "color", -1 / 0.9)
    assert np.array_equal(grey[..., 0], grey[..., 1]) and np.array_equal(grey[..., 1], grey[..., 2])


def test_a_quarter_turn_would_be_three_times_the_most() -> None:
    image = picture(1, side=9)
    assert np.array_equal(done(image, "rotate", 3.0)[1:-1, 1:-1], np.rot90(image)[1:-1, 1:-1])
