"""How the learning rate goes over a training: linear warm-up, then down to zero.

In a line (Defazio 2023, "Optimal Linear Decay Learning Rate Schedules and Further Refinements"), or along half a cosine
(Loshchilov 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping


def share_of_peak(name: str, step: int, total: int, warm_up: float) -> float:
    """The learning rate at a step of `total`, as a share of its peak; `warm_up` is the share of steps that it rises.

    >>> [share_of_peak("linear", step, 6, 1 / 3) for step in range(6)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    rising = max(1, int(total * warm_up))
    if step < rising:
        return (step + 1) / rising
    return DECAYS[name]((step - rising) / max(1, total - rising))


def linear(done: float) -> float:
    return 1 - done


def cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


DECAYS: Mapping[str, Callable[[float], float]] = {"linear": linear, "cosine": cosine}
"""What is left of the peak once a share of the decay is done."""
