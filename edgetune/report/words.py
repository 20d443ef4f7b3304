"""Numbers as a person reads them, each with its unit."""

from __future__ import annotations

from collections.abc import Mapping


def percent(fraction: float | None, digits: int = 1) -> str:
    """
    >>> percent(0.93456), percent(None)
    ('93.5 %', '–')
    """
    return "–" if fraction is None else f"{100 * fraction:.{digits}f} %"


def milliseconds(ms: float | None) -> str:
    """Three digits that count.

    >>> milliseconds(1.2345), milliseconds(0.01234), milliseconds(1234.5), milliseconds(None)
    ('1.23 ms', '0.0123 ms', '1234 ms', '–')
    """
    return "–" if ms is None else f"{three_digits(ms)} ms"


def three_digits(value: float) -> str:
    """
    >>> three_digits(0.5), three_digits(99.96), three_digits(0)
    ('0.500', '100', '0')
    """
    if value == 0:
        return "0"
    text = f"{value:#.3g}"
    return f"{value:.0f}" if "e+" in text else text.rstrip(".")


def count(number: float | None) -> str:
    """
    >>> count(950), count(12_345), count(5_290_000), count(1.2e9)
    ('950', '12.3 k', '5.29 M', '1.20 G')
    """
    return scaled(number, 1000, ("", "k", "M", "G", "T"))


def size(number: float | None) -> str:
    """Decimal units, as the limits on the command line.

    >>> size(187_904), size(12)
    ('188 kB', '12 B')
    """
    return scaled(number, 1000, ("B", "kB", "MB", "GB", "TB"))


def scaled(number: float | None, base: int, units: tuple[str, ...]) -> str:
    if number is None:
        return "–"
    value, step = float(number), 0
    while value >= 999.5 and step < len(units) - 1:
        value, step = value / base, step + 1
    return f"{value:.0f} {units[0]}".strip() if step == 0 else f"{three_digits(value)} {units[step]}"


def duration(seconds: float) -> str:
    """
    >>> duration(0.42), duration(75), duration(3720)
    ('0.4 s', '1 min 15 s', '1 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def difference(number: float) -> str:
    """A numeric disagreement.

    >>> difference(3.14e-6), difference(0)
    ('3.1e-06', '0')
    """
    return f"{number:.1e}" if number else "0"


def points(fraction: float | None) -> str:
    """A change of an accuracy, in percentage points.

    >>> points(0.0123), points(-0.004), points(0.00001), points(None)
    ('+1.23 pt', '−0.40 pt', '0.00 pt', '–')
    """
    return "–" if fraction is None else f"{signed(f'{100 * fraction:.2f}')} pt"


def signed_ms(ms: float | None) -> str:
    """A change of a latency.

    >>> signed_ms(0.5), signed_ms(-1.234), signed_ms(0.0001), signed_ms(None)
    ('+0.50 ms', '−1.23 ms', '0.00 ms', '–')
    """
    return "–" if ms is None else f"{signed(f'{ms:.2f}')} ms"


def signed(number: str) -> str:
    if float(number) == 0:
        return number.removeprefix("-")
    return f"−{number[1:]}" if number.startswith("-") else f"+{number}"


def named(objective: str) -> str:
    """An objective's name in a heading.

    >>> named("latency_ms"), named("top1"), named("energy_mj")
    ('Latency', 'Top-1', 'energy_mj')
    """
    return {"top1": "Top-1", "latency_ms": "Latency"}.get(objective, objective)


def shown(value: bool | int | float | str | None) -> str:
    """A choice as a person reads it.

    >>> shown(True), shown(None), shown(3), shown(0.12345)
    ('yes', '–', '3', '0.123')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def ranked(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    """Pairs with the largest first.

    >>> ranked({"a": 0.1, "b": 0.9})
    [('b', 0.9), ('a', 0.1)]
    """
    return sorted(shares.items(), key=lambda item: -item[1])


ALL = (
    percent,
    milliseconds,
    three_digits,
    count,
    size,
    duration,
    difference,
    points,
    signed_ms,
    named,
    shown,
    ranked,
)
