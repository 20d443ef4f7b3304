"""Training-time augmentation of a whole batch at once, on raw pixels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def shift_and_flip(pictures: Tensor, generator: torch.Generator, *, shift: int, flip: bool) -> Tensor:
    """Moves each picture by up to `shift` pixels in both directions (zeros come in) and mirrors half of them.

    Parameters
    ----------
    pictures
        (N, C, H, W), any dtype.
    """
    n, _, height, width = pictures.shape
    padded = functional.pad(pictures, (shift,) * 4)
    top, left = torch.randint(0, 2 * shift + 1, (2, n, 1), generator=generator)
    rows = torch.arange(height) + top
    columns = torch.arange(width) + left
    if flip:
        mirrored = torch.rand(n, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    picture = torch.arange(n)[:, None, None]
    return padded[picture, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
