"""Quantities as people write them: `5ms`, `10min`, `500kB`, `8MB`, `10M`, `0.9`, `90%`."""

from __future__ import annotations

import re

from edgetune.errors import ConfigError

SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
BYTES = {"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
TIMES = {"k": 1e3, "M": 1e6, "G": 1e9}


def seconds(text: str, *, where: str) -> float:
    """
    >>> seconds("5ms", where="--max-latency")
    0.005
    """
    return _quantity(text, SECONDS, where=where, example="5ms")


def milliseconds(text: str, *, where: str) -> float:
    """
    >>> milliseconds("1.5 s", where="--max-latency")
    1500.0
    """
    return 1000 * seconds(text, where=where)


def size(text: str, *, where: str) -> int:
    """Bytes; kB and MB count in thousands, KiB and MiB in 1,024.

    >>> size("500kB", where="--max-size")
    500000
    """
    return int(_quantity(text, BYTES, where=where, example="500kB"))


def count(text: str, *, where: str) -> int:
    """
    >>> count("9.8M", where="--max-macs")
    9800000
    """
    return round(_quantity(text, TIMES, where=where, example="10M"))


def fraction(text: str, *, where: str) -> float:
    """
    >>> fraction("90%", where="--min-accuracy"), fraction("0.9", where="--min-accuracy")
    (0.9, 0.9)
    """
    number = text.strip().removesuffix("%")
    try:
        value = float(number) / (100 if number != text.strip() else 1)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ConfigError(f"{text!r} is not an accuracy", where=where, mend="write 0.9 or 90%")
    return value


def _quantity(text: str, units: dict[str, float], *, where: str, example: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([A-Za-zµ]*)\s*", text)
    if match is None:
        raise ConfigError(f"{text!r} is not a quantity", where=where, mend=f"write it like {example}")
    number, unit = match.groups()
    if not unit:
        raise ConfigError(f"{text!r} has no unit", where=where, mend=f"write it like {example}")
    if unit not in units:
        raise ConfigError(f"unknown unit {unit!r}", where=where, mend=f"one of {', '.join(units)}")
    return float(number) * units[unit]
