"""Training-time augmentation of a whole batch at once, on raw pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Moves:
    """Where each of N pictures goes: its corner in its padded self, (N, 1) each, and whether it is mirrored, (N, 1)."""

    top: Tensor
    left: Tensor
    mirrored: Tensor
    shift: int

    @classmethod
    def draw(cls, count: int, generator: torch.Generator, *, shift: int, flip: bool) -> Moves:
        """By up to `shift` pixels in both directions; half of them mirrored, or none."""
        top, left = torch.randint(0, 2 * shift + 1, (2, count, 1), generator=generator)
        mirrored = torch.rand(count, 1, generator=generator) < 0.5 if flip else torch.zeros(count, 1, dtype=torch.bool)
        return cls(top, left, mirrored, shift)

    def of(self, rows: NDArray[np.int64]) -> Moves:
        """Those of some of the pictures."""
        return Moves(self.top[rows], self.left[rows], self.mirrored[rows], self.shift)

    def __call__(self, pictures: Tensor) -> Tensor:
        """The pictures (N, C, H, W), of any dtype, moved; zeros come in."""
        n, _, height, width = pictures.shape
        padded = functional.pad(pictures, (self.shift,) * 4)
        rows, columns = torch.arange(height) + self.top, torch.arange(width) + self.left
        columns = torch.where(self.mirrored, columns.flip(1), columns)
        index = (torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :])
        picture, row, column = (part.to(pictures.device) for part in index)
        return padded[picture, :, row, column].permute(0, 3, 1, 2)


def view(number: int, count: int, *, seed: int, shift: int, flip: bool) -> Moves:
    """The same moves of `count` pictures each time: what teacher and students both see in an epoch of that number."""
    generator = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
    return Moves.draw(count, generator, shift=shift, flip=flip)
