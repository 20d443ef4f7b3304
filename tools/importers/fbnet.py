"""Turns FBNet's block latencies on a Raspberry Pi 4 into measurements of whole networks for its profile.

    python -m tools.importers.fbnet fbnet_block_latency.csv device_profiles

The published latencies of whole networks are sums over such a table, so a network's row here is one of them: a base and
its blocks. Eight networks repeat one block, the others are drawn at random.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from edgetune.files import atomic_write
from edgetune.latency.measurements import COLUMNS
from edgetune.latency.reference.fbnet import BLOCKS, LAYERS

BASE_MS = 7.798
"""All layers skipped: what the published sums have in common."""
NETWORKS = 60


def main(source: Path, profiles: Path) -> None:
    table: dict[int, dict[int, float]] = defaultdict(dict)
    with source.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["device"] == "raspi4":
                table[int(row["layer"])][int(row["op_idx"])] = float(row["lat_ms_minus_skip"])
    rng = np.random.default_rng(0)
    networks = [(block,) * len(LAYERS) for block in range(len(BLOCKS))]
    networks += [tuple(int(c) for c in rng.integers(0, 9, len(LAYERS))) for _ in range(NETWORKS - len(BLOCKS))]
    target = profiles / "rpi4" / "fbnet.csv"
    with atomic_write(target) as aside, aside.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for network in networks:
            latency = BASE_MS + sum(table[layer][choice] for layer, choice in enumerate(network))
            name = "fbnet-" + "".join(map(str, network))
            rows.writerow([name, "tflite", "", "fp32", 1, 1500, round(latency, 4)])
    print(f"{len(networks)} measurements in {target}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
