"""What search strategies are compared on: a table of measured networks, and test functions with known fronts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgetune.latency.reference.nasbench201 import CONVS, OPERATORS, executed_edges
from edgetune.space.describe import uniform
from tools.bench.nasbench201 import LABELS, Cell, read_figures, true_front
from tools.bench.true_front import TrueFront

WAYS = ((3,), (0, 4), (1, 5), (0, 2, 5))  # through a cell of NAS-Bench-201, as its edges are numbered

Evaluate = Callable[[dict[str, Any]], tuple[float, ...]]


@dataclass(frozen=True)
class Task:
    """A space as a dict, its objectives (all minimised), and how their points are judged."""

    name: str
    space: dict[str, Any]
    evaluate: Evaluate
    front: TrueFront
    constraint: Callable[[dict[str, Any]], float] | None = None  # at most 0 where a sample is feasible
    free: Callable[[dict[str, Any]], dict[str, float]] | None = None  # what a network's graph says of it


def nasbench201(table: Path, latency: str) -> Task:
    figures = read_figures(table, latency)
    return Task(
        name="nasbench201",
        space={label: list(OPERATORS) for label in LABELS},
        evaluate=lambda sample: figures[tuple(sample[label] for label in LABELS)],
        front=true_front(figures),
        free=lambda sample: graph_figures(tuple(sample[label] for label in LABELS)),
    )


@cache
def graph_figures(cell: Cell) -> dict[str, float]:
    """Multiply-accumulates (in those of a 1×1 convolution), the longest chain of convolutions, and ways through."""
    ways = [way for way in WAYS if all(cell[edge] != "none" for edge in way)]
    chains = [sum(cell[edge] in CONVS for edge in way) for way in ways]
    macs = sum(CONVS.get(cell[edge], 0) ** 2 for edge in executed_edges(cell))
    return {"macs": 1.0 + macs, "depth": 1.0 + max(chains, default=-1), "ways": float(len(ways))}


def function(name: str, reference: list[float]) -> Task:
    """A test function of pymoo, judged against a dense sample of its true front."""
    from pymoo.problems import get_problem

    problem = get_problem(name)
    labels = [f"x{i}" for i in range(problem.n_var)]
    bounds = zip(labels, problem.xl, problem.xu, strict=True)
    return Task(
        name=name,
        space={label: uniform(float(low), float(high)) for label, low, high in bounds},
        evaluate=lambda sample: tuple(problem.evaluate(np.array(list(sample.values())), return_values_of=["F"])),
        front=TrueFront.of(problem.pareto_front(), np.array(reference)),
    )


def constrained() -> Task:
    """BNH (Binh and Korn 1997): two variables, two objectives, two constraints, here the larger violation as one."""
    from pymoo.problems import get_problem

    problem = get_problem("bnh")
    labels = ["x0", "x1"]

    def asked(sample: dict[str, Any], what: str) -> np.ndarray:
        return np.asarray(problem.evaluate(np.array([sample[label] for label in labels]), return_values_of=[what]))

    return Task(
        name="bnh",
        space={label: uniform(float(b), float(t)) for label, b, t in zip(labels, problem.xl, problem.xu, strict=True)},
        evaluate=lambda sample: tuple(asked(sample, "F")),
        front=TrueFront.of(problem.pareto_front(), np.array([140.0, 50.0])),
        constraint=lambda sample: float(asked(sample, "G").max()),
    )
