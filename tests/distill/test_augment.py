"""Shifts and mirror images: pixels are moved, none is made up."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from edgetune.distill.augment import Moves, view

Move = tuple[int, int, bool]


def shift_and_flip(pictures: Tensor, generator: torch.Generator, *, shift: int, flip: bool) -> Tensor:
    return Moves.draw(len(pictures), generator, shift=shift, flip=flip)(pictures)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int, channels: int, height: int, width: int) -> Tensor:
    """No value occurs twice in a picture, and no pixel is zero."""
    values = torch.arange(1, channels * height * width + 1).reshape(1, channels, height, width)
    return values + 1000 * torch.arange(n).view(-1, 1, 1, 1)


def moved(picture: np.ndarray, move: Move) -> np.ndarray:
    """(C, H, W), slid down and right by the move, zeros coming in, then mirrored where the move says so."""
    down, right, mirrored = move
    _, height, width = picture.shape
    result = np.zeros_like(picture)
    for y in range(height):
        for x in range(width):
            if 0 <= y - down < height and 0 <= x - right < width:
                result[:, y, x] = picture[:, y - down, x - right]
    return result[:, :, ::-1] if mirrored else result


def moves_of(before: Tensor, after: Tensor, shift: int) -> list[Move]:
    """The one move that makes each picture what it became."""
    span = range(-shift, shift + 1)
    all_moves = [(down, right, mirrored) for down in span for right in span for mirrored in (False, True)]
    found = []
    for old, new in zip(before.numpy(), after.numpy(), strict=True):
        (move,) = (move for move in all_moves if np.array_equal(moved(old, move), new))
        found.append(move)
    return found


@given(
    n=st.integers(1, 4),
    channels=st.sampled_from([1, 3]),
    height=st.integers(4, 7),
    width=st.integers(4, 7),
    shift=st.integers(0, 2),
    flip=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_picture_is_itself_moved(
    n: int, channels: int, height: int, width: int, shift: int, flip: bool, seed: int
) -> None:
    before = pictures(n, channels, height, width)
    after = shift_and_flip(before, generator(seed), shift=shift, flip=flip)
    assert after.shape == before.shape and after.dtype == before.dtype
    moves = moves_of(before, after, shift)
    assert flip or not any(mirrored for _, _, mirrored in moves)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_without_shift_and_flip_nothing_changes(dtype: torch.dtype) -> None:
    before = torch.randint(0, 256, (5, 3, 8, 6)).to(dtype)
    after = shift_and_flip(before, generator(0), shift=0, flip=False)
    assert after.dtype == dtype and torch.equal(after, before)


def test_every_move_is_equally_likely() -> None:
    before = pictures(1, 1, 4, 4).expand(1800, -1, -1, -1)
    after = shift_and_flip(before, generator(0), shift=1, flip=True)
    counts = Counter(moves_of(before, after, 1))
    assert len(counts) == 18  # 3 * 3 shifts, mirrored or not
    chi_squared = sum((count - 100) ** 2 / 100 for count in counts.values())
    assert chi_squared < 40.8  # the 99.9 % quantile at 17 degrees of freedom


def test_the_generator_decides_alone() -> None:
    before = pictures(50, 1, 6, 6)
    first, again, other = (shift_and_flip(before, generator(seed), shift=2, flip=True) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_view_is_the_same_whatever_is_asked_of_it() -> None:
    before = pictures(50, 1, 6, 6)
    moves = view(3, 50, seed=1, shift=2, flip=True)
    whole, rows = moves(before), np.array([4, 17, 30])
    assert torch.equal(view(3, 50, seed=1, shift=2, flip=True)(before), whole)
    assert torch.equal(moves.of(rows)(before[rows]), whole[rows])
    others = [view(4, 50, seed=1, shift=2, flip=True), view(3, 50, seed=2, shift=2, flip=True)]
    assert not any(torch.equal(other(before), whole) for other in others)
