"""What a search minimises or maximises, and the limits it must hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, get_args

from edgetune.errors import ConfigError

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Objective:
    """One figure of a trial.

    Parameters
    ----------
    name
        The key under which an evaluation reports the figure.
    direction
        Which way is better.
    limit
        Hard limit: at most this when minimised, at least this when maximised.
    cheap
        Known without spending a trial, so its limit is checked before one is spent.
    unit
        Printed after the figure.
    optimize
        False: only the limit counts, the figure takes no part in the Pareto front.

    Raises
    ------
    ConfigError
        An unknown direction, a limit that is not a finite number.
    """

    name: str
    direction: Direction = "minimize"
    limit: float | None = None
    cheap: bool = False
    unit: str = ""
    optimize: bool = True

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            raise ConfigError(f"unknown direction {self.direction!r}", where=self.name, mend="minimize or maximize")
        if self.limit is not None and not _is_finite(self.limit):
            mend = "give a number in the figure's own unit, or leave it out"
            raise ConfigError(f"the limit {self.limit!r} is not a finite number", where=self.name, mend=mend)

    def minimized(self, value: float) -> float:
        """The value, negated when it is maximised: smaller is better."""
        return value if self.direction == "minimize" else -value

    def violation(self, value: float) -> float:
        """By what fraction of the limit `value` breaks it; 0 when it holds, infinite for what is no finite number."""
        if not math.isfinite(value):
            return math.inf  # with or without a limit: such a trial fails
        if self.limit is None:
            return 0.0
        excess = self.minimized(value) - self.minimized(self.limit)
        return max(0.0, excess) / (abs(self.limit) or 1.0)

    def format(self, value: float) -> str:
        """
        >>> Objective("latency", unit="ms").format(4.25)
        '4.25 ms'
        """
        return f"{value:.4g} {self.unit}".rstrip()

    def format_limit(self) -> str:
        """
        >>> Objective("accuracy", "maximize", limit=0.9).format_limit()
        'accuracy at least 0.9'
        """
        assert self.limit is not None
        return f"{self.name} at {'most' if self.direction == 'minimize' else 'least'} {self.format(self.limit)}"


def _is_finite(limit: Any) -> bool:
    return isinstance(limit, Real) and math.isfinite(limit)
