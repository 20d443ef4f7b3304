"""One evaluated sample, as the study keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from edgetune.space.parameters import Sample

TrialState = Literal["done", "failed", "infeasible", "stopped"]


@dataclass(frozen=True)
class Trial:
    """A sample and what came of it.

    `done`: every objective is known and every limit holds.
    `infeasible`: every objective is known, a limit is broken.
    `failed`: no figures; `error` says why.
    `stopped`: no figures, since its learning curve was hopeless; `error` says where.

    Parameters
    ----------
    number
        Place in the study, from 0.
    values
        Figures by objective name, and any others that the evaluation reported; None when it failed.
    seed
        What the random generators were seeded with before the evaluation.
    seconds
        Wall-clock cost of the evaluation.
    finished_at
        Unix time, seconds.
    curve
        The costly objective after each step of a training that reported it.
    """

    number: int
    sample: Sample
    values: Mapping[str, float] | None
    state: TrialState
    seed: int
    seconds: float = field(default=0.0, compare=False)
    error: str | None = None
    finished_at: float = field(default=0.0, compare=False)
    curve: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.values is not None:
            object.__setattr__(self, "values", MappingProxyType(dict(self.values)))
