"""How zero-cost scores rank the networks of NAS-Bench-201, beside the published rank correlations.

    python -m tools.bench.zero_cost --table nasbench201.csv.gz --networks 100

The networks are built as in the benchmark's paper (Dong and Yang 2020: 16 channels, five cells a stage), untrained; the
batch is random pixels. Printed is Spearman's rank correlation with CIFAR-10 test accuracy over random networks of the
table, beside that of Abdelfattah 2021 (table 2) over the whole space and real pictures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from edgetune.latency.reference.nasbench201 import CELLS, EDGES, WIDTHS
from edgetune.nets.zero_cost import SCORES, score
from tools.bench.nasbench201 import cell_of, read_rows

PUBLISHED = {"synflow": 0.74, "gradient_norm": 0.58}


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), layer, nn.BatchNorm2d(outputs))


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0


class Cell(nn.Module):
    """Four nodes, an operator on each of six edges."""

    def __init__(self, operators: list[str], width: int) -> None:
        super().__init__()
        make: dict[str, Callable[[], nn.Module]] = {
            "none": Nothing,
            "skip_connect": nn.Identity,
            "avg_pool_3x3": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
            "nor_conv_1x1": lambda: conv(width, width, 1),
            "nor_conv_3x3": lambda: conv(width, width, 3),
        }
        self.edges = nn.ModuleList(make[name]() for name in operators)

    def forward(self, x: Tensor) -> Tensor:
        nodes = [x]
        for node in (1, 2, 3):
            into = [edge(nodes[a]) for (a, b), edge in zip(EDGES, self.edges, strict=True) if b == node]
            nodes.append(torch.stack(into).sum(0))
        return nodes[-1]


class Reduction(nn.Module):
    """A residual block of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.path = nn.Sequential(conv(inputs, outputs, 3, 2), conv(outputs, outputs, 3))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2, 2), nn.Conv2d(inputs, outputs, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.path(x) + self.shortcut(x)


def build(operators: list[str]) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False), nn.BatchNorm2d(WIDTHS[0])]
    for width in WIDTHS:
        if width > WIDTHS[0]:
            layers.append(Reduction(width // 2, width))
        layers += [Cell(operators, width) for _ in range(CELLS)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)]
    return nn.Sequential(*layers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows = read_rows(arguments.table)
    rng = np.random.default_rng(arguments.seed)
    chosen = [rows[i] for i in rng.choice(len(rows), arguments.networks, replace=False)]
    accuracy = [float(row["cifar10_test_top1_pct"]) for row in chosen]
    torch.manual_seed(arguments.seed)
    pixels = torch.randn(arguments.batch, 3, 32, 32)
    labels = torch.randint(10, (arguments.batch,))
    figures: dict[str, list[float]] = {name: [] for name in SCORES}
    seconds = dict.fromkeys(SCORES, 0.0)
    for row in chosen:
        network = build(list(cell_of(row)))
        for name, kept in figures.items():
            began = time.perf_counter()
            kept.append(score(name, network, pixels, labels))
            seconds[name] += time.perf_counter() - began
    print(f"{len(chosen)} networks, batch {arguments.batch}")
    print(f"{'score':<14} {'Spearman':>8} {'published':>9} {'ms each':>8}")
    for name, values in figures.items():
        rho = spearmanr(np.nan_to_num(values, neginf=-1e9), accuracy).statistic
        published = f"{PUBLISHED[name]:.2f}" if name in PUBLISHED else "–"
        print(f"{name:<14} {rho:8.2f} {published:>9} {1000 * seconds[name] / len(chosen):8.1f}")


if __name__ == "__main__":
    main()
