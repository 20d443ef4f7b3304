"""From counts to milliseconds: one factor on the pipelines' cycles, and what each kind of miss costs.

The form is linear, so that non-negative least squares on relative errors fits it; a pull towards what the processor's
manual and a memory benchmark say keeps kinds of miss that the networks cannot tell apart at sensible values.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

HERE = Path(__file__).parent
NETWORKS, CONSTANTS = HERE / "networks.csv", HERE / "constants.json"
CPU_MHZ = 1800
PULL = 0.1
"""A constant that is off by its whole prior value weighs as a network that is off by 10 %."""


@dataclass(frozen=True)
class Work:
    """What one inference is, as far as its time goes: core cycles, and misses of each kind."""

    core_cycles: float
    l2_hits: int
    streamed: int
    random: int
    tlb_misses: int

    def values(self) -> np.ndarray:
        return np.array([getattr(self, field.name) for field in fields(Work)], dtype=float)


PRIOR = np.array([1.0, 4.0, 27.0, 162.0, 20.0])
"""A factor; then cycles at 1.8 GHz: an L2 hit mostly hidden by reordering, 64 bytes at 4.3 GB/s, 90 ns of DRAM, a walk
of page tables that lie in the cache."""


@dataclass(frozen=True)
class Constants:
    """Fitted. `band` is the factor that a measured latency lies within, 90 % of the time, of the simulated one."""

    cycles: tuple[float, ...]
    band: float
    networks: int

    def milliseconds(self, work: Work) -> float:
        return float(work.values() @ np.array(self.cycles)) / (1000 * CPU_MHZ)

    @classmethod
    def load(cls, path: Path = CONSTANTS) -> Constants:
        values = json.loads(path.read_text())
        return cls(tuple(values["cycles"]), values["band"], values["networks"])

    def save(self, path: Path = CONSTANTS) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


@dataclass(frozen=True)
class Network:
    """A published figure of a Raspberry Pi 4B, 1.8 GHz, one thread, and the work that was counted here."""

    name: str
    measured_ms: float
    instructions: int
    work: Work


def read_networks(path: Path = NETWORKS) -> list[Network]:
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [
        Network(
            row["network"],
            float(row["measured_ms"]),
            int(row["instructions"]),
            Work(**{field.name: float(row[field.name]) for field in fields(Work)}),  # type: ignore[arg-type]
        )
        for row in rows
    ]


def solve(networks: Sequence[Network]) -> np.ndarray:
    """The five constants that fit these networks best."""
    rows = np.array([network.work.values() / (1000 * CPU_MHZ * network.measured_ms) for network in networks])
    pull = PULL * np.diag(1 / PRIOR)
    solution, _ = nnls(np.vstack([rows, pull]), np.concatenate([np.ones(len(rows)), np.full(len(PRIOR), PULL)]))
    return solution


def left_out(networks: Sequence[Network]) -> list[float]:
    """Each network's simulated latency, in ms, by constants that were fitted to all the others."""
    simulated = []
    for network in networks:
        cycles = solve([other for other in networks if other is not network])
        simulated.append(Constants(tuple(cycles), 1.0, 0).milliseconds(network.work))
    return simulated


def fit(networks: Sequence[Network]) -> Constants:
    """Constants of all networks; their band is a split-conformal one of the left-out errors (Vovk 2005)."""
    ratios = [
        abs(math.log(simulated / network.measured_ms))
        for simulated, network in zip(left_out(networks), networks, strict=True)
    ]
    rank = min(len(ratios), math.ceil(0.9 * (len(ratios) + 1)))
    return Constants(tuple(map(float, solve(networks))), math.exp(sorted(ratios)[rank - 1]), len(networks))
