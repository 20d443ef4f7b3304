"""Attention transfer, AT (Zagoruyko and Komodakis 2017, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional


def attention_transfer(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """How differently both networks spread their energy over the picture; the sum over pairs of feature maps.

    Mean squared difference of the normalised maps, as in the authors' code; their weight for it is 1000. Where sizes
    differ, the larger map is averaged down to the smaller.

    Parameters
    ----------
    student, teacher
        As many feature maps each, (N, C, H, W) with any C, H and W.
    """
    losses = [_difference(mine, theirs) for mine, theirs in zip(student, teacher, strict=True)]
    return sum(losses[1:], losses[0])


def _difference(student: Tensor, teacher: Tensor) -> Tensor:
    mine, theirs = (features.pow(2).mean(1) for features in (student, teacher))
    size = (min(mine.shape[1], theirs.shape[1]), min(mine.shape[2], theirs.shape[2]))
    mine, theirs = (functional.adaptive_avg_pool2d(energy, size).flatten(1) for energy in (mine, theirs))
    return functional.mse_loss(functional.normalize(mine), functional.normalize(theirs))
