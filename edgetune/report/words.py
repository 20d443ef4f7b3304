"""Numbers as a person reads them, each with its unit."""

from __future__ import annotations


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


ALL = (percent, milliseconds, three_digits, count, size, duration, difference)
