"""Turns the table of MLPerf Inference Edge results on a Raspberry Pi 4 into the profile's measurements.

python tools/importers/mlperf_rpi4.py rpi4_mlperf_networks.csv device_profiles/rpi4/measurements.csv
"""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path

from edgetune.files import atomic_write
from edgetune.latency.measurements import COLUMNS

EXTRA = ("p90_ms", "min_ms", "source")
THREADS = 4  # inferred: the results don't record it


def main(source: Path, target: Path) -> None:
    with source.open(newline="") as file:
        rows = [convert(row) for row in csv.DictReader(file) if not row["precision"].endswith("?")]
    with atomic_write(target) as aside, aside.open("w", newline="") as file:
        writer = csv.DictWriter(file, (*COLUMNS, *EXTRA), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"{len(rows)} measurements in {target}")


def convert(row: dict[str, str]) -> dict[str, object]:
    match = re.match(r"(\w+) v([\d.]+\d)", row["runtime"])
    if not match:
        raise ValueError(f"no version in {row['runtime']!r}")
    return {
        "network": row["network"],
        "runtime": match[1].lower(),
        "version": match[2],
        "precision": row["precision"],
        "threads": THREADS,
        "cpu_mhz": row["cpu_mhz"],
        "latency_ms": row["mean_ms"],
        "p90_ms": row["p90_ms"],
        "min_ms": row["min_ms"],
        "source": f"MLPerf Inference {row['mlperf_rounds']}",
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
