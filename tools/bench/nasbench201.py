"""NAS-Bench-201 as a table: CIFAR-10 error against the latency on one device."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import moocore
import numpy as np

OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = tuple(f"edge{i}" for i in range(6))

Cell = tuple[str, ...]
"""The operators of a cell, one an edge."""


def read_rows(table: Path) -> list[dict[str, str]]:
    """The rows of nasbench201.csv.gz."""
    with gzip.open(table, "rt") as file:
        return list(csv.DictReader(file))


def cell_of(row: dict[str, str]) -> Cell:
    return tuple(re.findall(r"(\w+)~", row["arch"]))


def read_figures(table: Path, latency: str) -> dict[Cell, tuple[float, float]]:
    """Error in percent and latency in ms of the cells that have a value in the column `latency`."""
    return {
        cell_of(row): (100 - float(row["cifar10_test_top1_pct"]), float(row[latency]))
        for row in read_rows(table)
        if row[latency]
    }


def reference_and_best(figures: dict[Cell, tuple[float, float]]) -> tuple[np.ndarray, float]:
    """The point below which volume counts, and the true front's hypervolume with both axes divided by it."""
    points = np.array(list(figures.values()))
    reference = np.array([40.0, np.percentile(points[:, 1], 99)])
    return reference, float(moocore.hypervolume(points / reference, ref=np.ones(2)))
