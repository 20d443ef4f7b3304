"""What a strategy's settings must be, so that a wrong one is refused when the strategy is made and not met later."""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

from edgetune.errors import ConfigError, nearest


def check_count(name: str, value: Any, *, least: int) -> None:
    """Raises :class:`ConfigError` where `value` is no whole number of at least `least`."""
    if not isinstance(value, Integral) or value < least:
        raise ConfigError(f"{value!r} is not a whole number of at least {least}", where=name, mend="give one")


def check_positive(name: str, value: Any) -> None:
    """Raises :class:`ConfigError` where `value` is no finite number above 0."""
    if not isinstance(value, Real) or not 0 < float(value) < math.inf:
        raise ConfigError(f"{value!r} is not a number above 0", where=name, mend="give one")


def check_names(strategy: type, where: str, given: Collection[str]) -> None:
    """Raises :class:`ConfigError` where the strategy has no setting of a given name."""
    known = set(inspect.signature(strategy).parameters) - {"problem", "seed"}
    for name in given:
        if name not in known:
            mend = nearest(name, known) if known else f"{where} has none"
            raise ConfigError(f"unknown setting {name!r}", where=where, mend=mend)
