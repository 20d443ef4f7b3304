"""Search strategies side by side on tables of measured networks and on test functions with known fronts.

    python tools/bench/search.py nasbench201 --table nasbench201.csv.gz --seeds 20
    python tools/bench/search.py functions --seeds 5

Regret is 1 - hypervolume / hypervolume of the true front, in percent. On NAS-Bench-201 the objectives are CIFAR-10
error and Pixel 3 latency, the reference point is (40 % error, 99th percentile of latency), both axes divided by it.
The test functions are judged from a point that early samples reach, as 1,000 evaluations stay far from the front of 30
variables. No method sees a table; each is asked for one sample at a time unless `--batch` says otherwise.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import re
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import moocore
import numpy as np

from edgetune.search.catalogue import STRATEGIES
from edgetune.search.optimizer import Optimizer
from edgetune.space.describe import uniform

BUDGETS = (25, 50, 100, 200, 500, 1000)
OPERATORS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]

Evaluate = Callable[[dict[str, Any]], tuple[float, ...]]


@dataclass(frozen=True)
class Task:
    """A space as a dict, its objectives (all minimised), and how their points are judged."""

    name: str
    space: dict[str, Any]
    evaluate: Evaluate
    reference: np.ndarray
    best: float

    def regret(self, points: np.ndarray) -> float:
        ones = np.ones(len(self.reference))
        return 100 * (1 - moocore.hypervolume(points / self.reference, ref=ones) / self.best)


def nasbench201(table: Path, latency: str) -> Task:
    with gzip.open(table, "rt") as file:
        rows = [row for row in csv.DictReader(file) if row[latency]]
    figures = {
        tuple(re.findall(r"(\w+)~", row["arch"])): (100 - float(row["cifar10_test_top1_pct"]), float(row[latency]))
        for row in rows
    }
    points = np.array(list(figures.values()))
    reference = np.array([40.0, np.percentile(points[:, 1], 99)])
    edges = [f"edge{i}" for i in range(6)]
    return Task(
        name="nasbench201",
        space=dict.fromkeys(edges, OPERATORS),
        evaluate=lambda sample: figures[tuple(sample[edge] for edge in edges)],
        reference=reference,
        best=float(moocore.hypervolume(points / reference, ref=np.ones(2))),
    )


def function(name: str, reference: list[float]) -> Task:
    """A test function of pymoo, judged against a dense sample of its true front."""
    from pymoo.problems import get_problem

    problem = get_problem(name)
    ref = np.array(reference)
    front = problem.pareto_front()
    labels = [f"x{i}" for i in range(problem.n_var)]
    bounds = zip(labels, problem.xl, problem.xu, strict=True)
    return Task(
        name=name,
        space={label: uniform(float(low), float(high)) for label, low, high in bounds},
        evaluate=lambda sample: tuple(problem.evaluate(np.array(list(sample.values())), return_values_of=["F"])),
        reference=ref,
        best=float(moocore.hypervolume(front / ref, ref=np.ones(len(ref)))),
    )


def ours(strategy: str) -> Callable[[Task, int, int, int], np.ndarray]:
    def run(task: Task, trials: int, seed: int, batch: int) -> np.ndarray:
        names = [f"f{i}" for i in range(len(task.reference))]
        optimizer = Optimizer(task.space, dict.fromkeys(names, "minimize"), strategy=strategy, seed=seed)
        points: list[tuple[float, ...]] = []
        while len(points) < trials and (samples := optimizer.ask(batch)):
            figures = [task.evaluate(sample) for sample in samples]
            optimizer.tell(samples, [dict(zip(names, figure, strict=True)) for figure in figures])
            points += figures
        return np.array(points[:trials])

    return run


def pymoo_nsga2(task: Task, trials: int, seed: int, batch: int) -> np.ndarray:
    """pymoo's NSGA-II for mixed variables, population 20, duplicates eliminated."""
    from pymoo.algorithms.moo.nsga2 import RankAndCrowdingSurvival
    from pymoo.core.mixed import MixedVariableGA
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.core.variable import Choice, Real
    from pymoo.optimize import minimize

    points: list[tuple[float, ...]] = []

    class Wrapped(ElementwiseProblem):  # type: ignore[misc]
        def __init__(self) -> None:
            variables = {
                label: Choice(options=options)
                if isinstance(options, list)
                else Real(bounds=(options.low, options.high))
                for label, options in task.space.items()
            }
            super().__init__(vars=variables, n_obj=len(task.reference))

        def _evaluate(self, x: dict[str, Any], out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            points.append(task.evaluate(x))
            out["F"] = points[-1]

    algorithm = MixedVariableGA(pop_size=20, survival=RankAndCrowdingSurvival())
    minimize(Wrapped(), algorithm, ("n_evals", trials), seed=seed)
    return np.array(points[:trials])


def optuna_sampler(name: str) -> Callable[[Task, int, int, int], np.ndarray]:
    def run(task: Task, trials: int, seed: int, batch: int) -> np.ndarray:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        samplers = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True),
            "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed),
        }
        study = optuna.create_study(sampler=samplers[name](), directions=["minimize"] * len(task.reference))
        points: list[tuple[float, ...]] = []
        for _ in range(trials):
            trial = study.ask()
            sample = {
                label: trial.suggest_categorical(label, options)
                if isinstance(options, list)
                else trial.suggest_float(label, options.low, options.high)
                for label, options in task.space.items()
            }
            points.append(task.evaluate(sample))
            study.tell(trial, points[-1])
        return np.array(points)

    return run


METHODS: dict[str, Callable[[Task, int, int, int], np.ndarray]] = {
    **{name: ours(name) for name in STRATEGIES},
    "pymoo-nsga2": pymoo_nsga2,
    **{f"optuna-{name}": optuna_sampler(name) for name in ("nsga2", "tpe", "gp")},
}


def compare(task: Task, methods: list[str], seeds: int, trials: int, batch: int) -> None:
    """Prints a row a method: mean regret with its standard error at each budget, and CPU time a trial."""
    budgets = [budget for budget in BUDGETS if budget <= trials]
    print(f"{task.name}, {seeds} seeds, batches of {batch}: regret in percent, mean ± standard error")
    print(f"{'':24s}" + "".join(f"{budget:>14d}" for budget in budgets) + "   ms/trial")
    for method in methods:
        started = time.process_time()
        runs = [METHODS[method](task, trials, seed, batch) for seed in range(seeds)]
        spent = (time.process_time() - started) / seeds / trials
        regrets = np.array([[task.regret(points[:budget]) for budget in budgets] for points in runs])
        errors = regrets.std(axis=0) / np.sqrt(seeds)
        cells = "".join(f"{m:8.2f} ±{e:4.2f}" for m, e in zip(regrets.mean(axis=0), errors, strict=True))
        print(f"{method:24s}{cells}   {1e3 * spent:8.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["nasbench201", "functions"])
    parser.add_argument("--table", type=Path, help="nasbench201.csv.gz")
    parser.add_argument("--latency", default="pixel3_ms", help="column of the table")
    parser.add_argument("--methods", default=",".join(METHODS), help="comma-separated")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--batch", type=int, default=1, help="samples asked for at a time, ours alone")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.task == "nasbench201":
        if arguments.table is None:
            parser.error("nasbench201 needs --table")
        tasks = [nasbench201(arguments.table, arguments.latency)]
    else:
        tasks = [function(f"zdt{i}", [1.1, 8.0]) for i in (1, 2, 3)] + [function("dtlz2", [1.1, 1.1, 1.1])]
    for task in tasks:
        compare(task, arguments.methods.split(","), arguments.seeds, arguments.trials, arguments.batch)


if __name__ == "__main__":
    main()
