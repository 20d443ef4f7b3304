"""Turns the NAS-Bench-201 latencies of a Raspberry Pi 4 and a Pixel 3 into measurements of their profiles.

    python tools/importers/nasbench201.py nasbench201.csv.gz device_profiles

Cells whose output is cut off from their input are left out: the runtime removes them almost whole.
"""

from __future__ import annotations

import csv
import gzip
import io
import sys
from pathlib import Path

from edgetune.files import atomic_write
from edgetune.latency.measurements import COLUMNS

TABLES = {  # column: (profile, threads, clock in MHz, milliseconds below which a cell is cut off)
    "rpi4_ms": ("rpi4", 1, 1500, 2.0),
    "pixel3_ms": ("pixel3", 1, 2800, 1.1),
}


def main(source: Path, profiles: Path) -> None:
    with gzip.open(source, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    for column, (profile, threads, mhz, cut) in TABLES.items():
        kept = [row for row in rows if row[column] and float(row[column]) >= cut]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((row["arch"], "tflite", "", "fp32", threads, mhz, row[column]) for row in kept)
        target = profiles / profile / "nasbench201.csv.gz"
        with atomic_write(target) as aside:
            aside.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
        print(f"{len(kept)} measurements in {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
