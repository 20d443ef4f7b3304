"""NAS-Bench-201 as a table: CIFAR-10 error against the latency on one device."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np

from edgetune.latency.reference.nasbench201 import EDGES, parse_cell
from tools.bench.true_front import TrueFront

LABELS = tuple(f"edge{i}" for i in range(len(EDGES)))
"""Of the edges' operators, in a space."""

Cell = tuple[str, ...]
"""The operators of a cell, one an edge."""


def read_rows(table: Path) -> list[dict[str, str]]:
    """The rows of nasbench201.csv.gz."""
    with gzip.open(table, "rt") as file:
        return list(csv.DictReader(file))


def cell_of(row: dict[str, str]) -> Cell:
    return parse_cell(row["arch"])


def read_figures(table: Path, latency: str) -> dict[Cell, tuple[float, float]]:
    """Error in percent and latency in ms of the cells that have a value in the column `latency`."""
    return {
        cell_of(row): (100 - float(row["cifar10_test_top1_pct"]), float(row[latency]))
        for row in read_rows(table)
        if row[latency]
    }


def true_front(figures: dict[Cell, tuple[float, float]]) -> TrueFront:
    """Below 40 % error and the 99th percentile of latency."""
    points = np.array(list(figures.values()))
    return TrueFront.of(points, np.array([40.0, np.percentile(points[:, 1], 99)]))
