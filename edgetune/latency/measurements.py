"""Measured latencies: a CSV file with a row for each network and setting."""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgetune.errors import ConfigError, DataError
from edgetune.files import atomic_write
from edgetune.latency.setting import Setting, parse_precision, parse_runtime

COLUMNS = ("network", "runtime", "version", "precision", "threads", "cpu_mhz", "latency_ms")
NEEDED = ("network", "latency_ms")
GRAPH = "graph"
"""A column that may hold the network's fingerprint, see :mod:`edgetune.latency.stored_graphs`."""


@dataclass(frozen=True)
class Measurement:
    """One network's mean latency in one setting."""

    network: str
    setting: Setting
    latency_ms: float
    graph: str = ""
    """Fingerprint of the network, empty where it is not known."""


def read_measurements(path: Path, default: Setting | None = None) -> list[Measurement]:
    """Columns `network` and `latency_ms`; the rest of :data:`COLUMNS` may be left out where a `default` says it.

    A runtime may carry its version, `tflite-2.7.1`.

    Raises
    ------
    DataError
        No such file, a column is missing, or a value is not what its column holds; the message names the row.
    """
    needed = NEEDED if default else COLUMNS
    rows = read_table(path, needed, mend=f"the columns are {', '.join(COLUMNS)}")
    return [_measurement(row, default, f"{path}, row {number}") for number, row in enumerate(rows, 2)]


def absent_columns(path: Path) -> list[str]:
    """Those of a setting that a file leaves to defaults."""
    rows = read_table(path, NEEDED, mend=f"the columns are {', '.join(COLUMNS)}")
    return [column for column in ("runtime", "precision", "threads", "cpu_mhz") if rows and column not in rows[0]]


def read_table(path: Path, needed: Sequence[str], *, mend: str) -> list[dict[str, str]]:
    """The rows of a CSV file in UTF-8, with or without a byte order mark, compressed or not; an absent cell is empty.

    Raises
    ------
    DataError
        There is no such file, it is of another kind, or lacks one of the columns `needed`.
    """
    if not path.is_file():
        raise DataError("there is no such file", where=path)
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            rows, columns = list(reader), reader.fieldnames or ()
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, csv.Error) as error:
        raise DataError(f"it cannot be read: {error}", where=path, mend="give a CSV file in UTF-8") from error
    if missing := [column for column in needed if column not in columns]:
        raise DataError(f"no column {', '.join(missing)}", where=path, mend=mend)
    return rows


def write_measurements(path: Path, measurements: Iterable[Measurement]) -> None:
    """A file that :func:`read_measurements` reads, whole or not at all."""
    with atomic_write(path) as aside, aside.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow((*COLUMNS, GRAPH))
        for found in measurements:
            s = found.setting
            own = (s.runtime, s.version, s.precision, s.threads, s.cpu_mhz)
            rows.writerow([found.network, *own, round(found.latency_ms, 6), found.graph])


def _measurement(row: dict[str, str], default: Setting | None, where: str) -> Measurement:
    if not row["latency_ms"]:
        raise DataError("latency_ms is not filled in", where=where, mend="measure the network, or remove the row")
    try:
        latency = float(row["latency_ms"])
        setting = _setting(row, default)
    except (ValueError, ConfigError) as error:
        raise DataError(str(error), where=where, mend="correct the row") from error
    if not (math.isfinite(latency) and latency > 0):
        raise DataError(f"a latency of {latency} ms", where=where, mend="latencies are above zero")
    if not row["network"]:
        raise DataError("no network named", where=where, mend="give a file or a name")
    return Measurement(row["network"], setting, latency, row.get(GRAPH) or "")


def _setting(row: dict[str, str], default: Setting | None) -> Setting:
    def cell(column: str, other: object) -> str:
        return row.get(column) or ("" if other is None else str(other))

    runtime, version = parse_runtime(cell("runtime", default and default.runtime))
    own_version = row.get("version") or version
    if not own_version and default is not None and runtime == default.runtime:
        own_version = default.version
    return Setting(
        runtime,
        own_version,
        parse_precision(cell("precision", default and default.precision)),
        _whole(cell("threads", default and default.threads)),
        _whole(cell("cpu_mhz", default and default.cpu_mhz)),
    )


def _whole(text: str) -> int:
    """
    >>> _whole("4"), _whole("4.0")
    (4, 4)
    """
    if not float(text).is_integer():
        raise ValueError(f"{text} is not a whole number")
    return int(float(text))


def board_measurements(folder: Path) -> list[Measurement]:
    """All that a profile's folder holds."""
    return [m for path in sorted(folder.glob("*.csv*")) for m in read_measurements(path)]


def by_setting(measurements: list[Measurement]) -> dict[Setting, list[Measurement]]:
    groups: dict[Setting, list[Measurement]] = defaultdict(list)
    for measurement in measurements:
        groups[measurement.setting].append(measurement)
    return dict(sorted(groups.items()))
