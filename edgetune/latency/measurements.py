"""Measured latencies: a CSV file with a row for each network and setting."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from edgetune.errors import DataError
from edgetune.latency.setting import Setting, parse_precision

COLUMNS = ("network", "runtime", "version", "precision", "threads", "cpu_mhz", "latency_ms")


@dataclass(frozen=True)
class Measurement:
    """One network's mean latency in one setting."""

    network: str
    setting: Setting
    latency_ms: float


def read_measurements(path: Path) -> list[Measurement]:
    """
    Raises
    ------
    DataError
        A column is missing or a value is not what its column holds; the message names the row.
    """
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"no column {', '.join(missing)}", where=path, mend=f"the columns are {', '.join(COLUMNS)}")
        return [_measurement(row, f"{path}, row {number}") for number, row in enumerate(reader, 2)]


def _measurement(row: dict[str, str], where: str) -> Measurement:
    try:
        latency = float(row["latency_ms"])
        threads, mhz = int(row["threads"]), int(row["cpu_mhz"])
    except ValueError as error:
        raise DataError(str(error), where=where, mend="give numbers") from error
    if not (math.isfinite(latency) and latency > 0):
        raise DataError(f"a latency of {latency} ms", where=where, mend="latencies are above zero")
    return Measurement(
        row["network"],
        Setting(row["runtime"], row["version"], parse_precision(row["precision"]), threads, mhz),
        latency,
    )


def by_setting(measurements: list[Measurement]) -> dict[Setting, list[Measurement]]:
    groups: dict[Setting, list[Measurement]] = defaultdict(list)
    for measurement in measurements:
        groups[measurement.setting].append(measurement)
    return dict(sorted(groups.items()))
