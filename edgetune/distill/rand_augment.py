"""RandAugment (Cubuk 2020): two random operations of one common magnitude on each picture."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

OPERATIONS = 2  # a picture; the paper's N
MOST = 10
GREY = 128  # what comes in from outside the picture

Operation = Callable[[Image.Image, float], Image.Image]


def rand_augment(images: NDArray[np.uint8], rng: np.random.Generator, *, magnitude: int) -> NDArray[np.uint8]:
    """Pictures (N, H, W, C), one or three channels; the same shape.

    The paper's fourteen operations with the ranges of AutoAugment (Cubuk 2019, table 6), `magnitude` of :data:`MOST` of
    them; those with a direction go either way at random.
    """
    changed = np.empty_like(images)
    names = rng.choice(sorted(RANDOM), (len(images), OPERATIONS))
    levels = magnitude / MOST * rng.choice((-1, 1), names.shape)

    def change(rows: NDArray[np.int64]) -> None:
        for row in rows:
            image = images[row]
            picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
            for name, level in zip(names[row], levels[row], strict=True):
                picture = apply(picture, name, level)
            changed[row] = np.asarray(picture).reshape(image.shape)

    threads = torch.get_num_threads()  # Pillow computes outside the interpreter's lock
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(change, np.array_split(np.arange(len(images)), threads)):
            pass  # raises what went wrong
    return changed


def apply(picture: Image.Image, name: str, level: float) -> Image.Image:
    """One operation by its name in :data:`RANDOM`; `level` is -1…1, and its sign counts where there is a direction."""
    return RANDOM[name](picture, level)


def _affine(matrix: Callable[[Image.Image, float], tuple[float, ...]]) -> Operation:
    """By the matrix from new to old places."""

    def run(picture: Image.Image, level: float) -> Image.Image:
        fill = GREY if picture.mode == "L" else (GREY,) * 3
        return picture.transform(
            picture.size, Image.Transform.AFFINE, matrix(picture, level), Image.Resampling.BILINEAR, fillcolor=fill
        )

    return run


def _rotate(picture: Image.Image, level: float) -> Image.Image:
    fill = GREY if picture.mode == "L" else (GREY,) * 3
    return picture.rotate(30 * level, Image.Resampling.BILINEAR, fillcolor=fill)


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    return lambda picture, level: kind(picture).enhance(1 + 0.9 * level)


RANDOM: dict[str, Operation] = {
    "identity": lambda picture, level: picture,
    "auto-contrast": lambda picture, level: ImageOps.autocontrast(picture),
    "equalize": lambda picture, level: ImageOps.equalize(picture),
    "rotate": _rotate,
    "solarize": lambda picture, level: ImageOps.solarize(picture, 256 - round(256 * abs(level))),
    "posterize": lambda picture, level: ImageOps.posterize(picture, 8 - round(4 * abs(level))),
    "color": _enhance(ImageEnhance.Color),
    "contrast": _enhance(ImageEnhance.Contrast),
    "brightness": _enhance(ImageEnhance.Brightness),
    "sharpness": _enhance(ImageEnhance.Sharpness),
    "shear-x": _affine(lambda picture, level: (1, 0.3 * level, 0, 0, 1, 0)),
    "shear-y": _affine(lambda picture, level: (1, 0, 0, 0.3 * level, 1, 0)),
    "translate-x": _affine(lambda picture, level: (1, 0, 0.45 * level * picture.width, 0, 1, 0)),
    "translate-y": _affine(lambda picture, level: (1, 0, 0, 0, 1, 0.45 * level * picture.height)),
}
