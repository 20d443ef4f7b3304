"""Search strategies side by side on tables of measured networks and on test functions with known fronts.

    python -m tools.bench.search nasbench201 --table nasbench201.csv.gz --seeds 20
    python -m tools.bench.search functions --methods guided,bayesian,nsga2,pymoo-nsga2 --seeds 5 --trials 1000
    python -m tools.bench.search acquisitions --table nasbench201.csv.gz --seeds 20 --trials 100
    python -m tools.bench.search overhead

Regret is 1 - hypervolume / hypervolume of the true front, in percent. On NAS-Bench-201 the objectives are CIFAR-10
error and Pixel 3 latency, the reference point is (40 % error, 99th percentile of latency), both axes divided by it.
The test functions are judged from a point that early samples reach, as 1,000 evaluations stay far from the front of 30
variables. No method sees a table; each is asked for one sample at a time unless `--batch` says otherwise.
`guided-graph` is told what the network's graph says of it. BoTorch is in the extra `bench`; it alone is told the
reference point.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgetune.latency.reference.nasbench201 import OPERATORS
from edgetune.search.bayesian import ACQUISITIONS
from edgetune.search.catalogue import make_strategy
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.space.describe import space_of
from edgetune.space.parameters import Sample
from tools.bench.nasbench201 import LABELS
from tools.bench.search_methods import METHODS
from tools.bench.search_tasks import Task, constrained, function, nasbench201

BUDGETS = (25, 50, 100, 200, 500, 1000)


def runs_of(method: str, task: Task, seeds: int, trials: int, batch: int) -> list[np.ndarray]:
    """The points of each seed; a line a seed on standard error, so that a long run which is stopped leaves figures."""
    runs, started = [], time.perf_counter()
    for seed in range(seeds):
        runs.append(METHODS[method](task, trials, seed, batch))
        spent = time.perf_counter() - started
        figures = ", ".join(
            f"{task.front.regret(runs[-1][:budget]):.2f} at {budget}" for budget in budgets_within(trials)
        )
        line = f"{task.name}, {method}: {seed + 1} of {seeds} seeds, {spent:.0f} s, regret {figures}"
        print(line, file=sys.stderr, flush=True)
    return runs


def compare(task: Task, methods: list[str], seeds: int, trials: int, batch: int) -> None:
    """Prints a row a method: mean regret with its standard error at each budget, and CPU time a trial."""
    budgets = budgets_within(trials)
    print(f"{task.name}, {seeds} seeds, batches of {batch}: regret in percent, mean ± standard error")
    print(heading(budgets) + "   ms/trial")
    for method in methods:
        started = time.process_time()
        runs = runs_of(method, task, seeds, trials, batch)
        spent = (time.process_time() - started) / seeds / trials
        regrets = np.array([[task.front.regret(points[:budget]) for budget in budgets] for points in runs])
        print(f"{row(method, regrets)}   {1e3 * spent:8.1f}", flush=True)


def budgets_within(trials: int) -> list[int]:
    """Those of :data:`BUDGETS`, or where none is so small, all the trials."""
    return [budget for budget in BUDGETS if budget <= trials] or [trials]


def heading(budgets: Sequence[int]) -> str:
    return f"{'':24s}" + "".join(f"{budget:>14d}" for budget in budgets)


def row(method: str, regrets: np.ndarray) -> str:
    """Mean and standard error over the seeds of regrets, float (seeds, budgets)."""
    means, errors = regrets.mean(axis=0), regrets.std(axis=0) / np.sqrt(len(regrets))
    return f"{method:24s}" + "".join(f"{m:8.2f} ±{e:4.2f}" for m, e in zip(means, errors, strict=True))


def acquisitions(task: Task, seeds: int, trials: int, batch: int) -> None:
    """Prints for each acquisition the rounds until regret is within 2 %, and the final regret, with 95 % intervals."""
    print(
        f"{task.name}, {seeds} seeds: trials to 2 % regret (those that never got there count as {trials}), final regret"
    )
    for name in ACQUISITIONS:
        runs = runs_of(f"bayesian-{name}", task, seeds, trials, batch)
        paths = np.array([[task.front.regret(points[:n]) for n in range(1, trials + 1)] for points in runs])
        within = paths <= 2.0
        rounds = np.where(within.any(axis=1), within.argmax(axis=1) + 1, trials)
        cells = [f"{values.mean():7.2f} ± {interval(values):.2f}" for values in (rounds, paths[:, -1])]
        print(f"bayesian, {name:8s}{cells[0]:>20s}{cells[1]:>20s}   reached {within.any(axis=1).sum()}", flush=True)


def interval(values: np.ndarray) -> float:
    """Half the width of the 95 % interval of the mean, by Student's t."""
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))


def overhead() -> None:
    """Prints milliseconds a trial, those of the processor in brackets, with the study's writes."""
    space = space_of(dict.fromkeys(LABELS, OPERATORS))
    names = [Objective("error"), Objective("latency_ms")]
    costs = dict(zip(OPERATORS, (0.0, 0.1, 1.0, 3.0, 0.5), strict=True))

    def evaluate(sample: Sample) -> dict[str, float]:
        latency = sum(costs[str(operator)] for operator in sample.values.values())
        return {"error": 10 / (1 + latency) + float(np.random.random()), "latency_ms": latency}

    for strategy, trials in [("nsga2", 1000), ("regularized-evolution", 1000), ("guided", 500), ("bayesian", 500)]:
        with tempfile.TemporaryDirectory() as folder, Study.create(Path(folder) / "study.db", {}) as study:
            stamps = [(time.perf_counter(), time.process_time())]
            run_search(
                study,
                make_strategy(strategy, Problem(space, tuple(names))),
                evaluate,
                trials=trials,
                on_trial=lambda _, stamps=stamps: stamps.append(  # type: ignore[misc]
                    (time.perf_counter(), time.process_time())
                ),
            )
        wall, cpu = 1e3 * np.diff(stamps, axis=0).T
        last = f"{wall[-50:].mean():.2f} ({cpu[-50:].mean():.2f}) the last 50"
        print(f"{strategy:24s}{trials:6d} trials: {wall.mean():.2f} ({cpu.mean():.2f}) ms each, {last}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["nasbench201", "functions", "acquisitions", "overhead"])
    parser.add_argument("--table", type=Path, help="nasbench201.csv.gz")
    parser.add_argument("--latency", default="pixel3_ms", help="column of the table")
    parser.add_argument(
        "--methods", default=",".join(m for m in METHODS if not m.startswith("bayesian-")), help="comma-separated"
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--batch", type=int, default=1, help="samples asked for at a time, ours alone")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.task == "overhead":
        return overhead()
    if arguments.task == "functions":
        tasks = [function(f"zdt{i}", [1.1, 8.0]) for i in (1, 2, 3)] + [function("dtlz2", [1.1, 1.1, 1.1])]
        tasks.append(constrained())
    elif arguments.table is None:
        parser.error(f"{arguments.task} needs --table")
    else:
        tasks = [nasbench201(arguments.table, arguments.latency)]
    if arguments.task == "acquisitions":
        return acquisitions(tasks[0], arguments.seeds, arguments.trials, arguments.batch)
    for task in tasks:
        compare(task, arguments.methods.split(","), arguments.seeds, arguments.trials, arguments.batch)


if __name__ == "__main__":
    main()
