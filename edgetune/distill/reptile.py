"""A start learnt over tasks, from which each of them is a few steps away.

Reptile (Nichol, Achiam and Schulman 2018, arXiv 1803.02999): the start is moved a part of the way to where a few steps
on a task lead, again and again, and ever less far.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from torch import Tensor

Weights: TypeAlias = Mapping[str, Tensor]
"""By name, on one device, without gradients."""
Learn: TypeAlias = Callable[[Weights], Weights]
"""Where a few training steps on one task lead from these weights, which it leaves as they are."""

STEP = 0.5
"""The part of the way that the first round goes; it falls to 0 along a line."""


def reptile(
    start: Weights, rounds: Sequence[Learn], *, progress: Callable[[int, int], None] | None = None
) -> dict[str, Tensor]:
    """The start after all rounds.

    Parameters
    ----------
    start
        Where to begin: random weights, usually.
    rounds
        The task of each. Weights that it does not give stay as they are: those of another task's classifier.
    progress
        Called with how many rounds are done, and how many there are.
    """
    moved = dict(start)
    for done, learn in enumerate(rounds):
        learnt, step = learn(moved), STEP * (1 - done / len(rounds))
        moved = {name: weight.lerp(learnt[name], step) if name in learnt else weight for name, weight in moved.items()}
        if progress:
            progress(done + 1, len(rounds))
    return moved
