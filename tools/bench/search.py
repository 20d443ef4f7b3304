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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgetune.latency.reference.nasbench201 import CONVS, OPERATORS, executed_edges
from edgetune.search.bayesian import ACQUISITIONS
from edgetune.search.catalogue import STRATEGIES, make_strategy
from edgetune.search.encoding import Encoding
from edgetune.search.objective import Objective
from edgetune.search.optimizer import CheapFunction, Optimizer, cheap
from edgetune.search.problem import Problem
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.space.describe import space_of, uniform
from edgetune.space.parameters import Sample
from tools.bench.nasbench201 import LABELS, Cell, read_figures, true_front
from tools.bench.true_front import TrueFront

BUDGETS = (25, 50, 100, 200, 500, 1000)
WAYS = ((3,), (0, 4), (1, 5), (0, 2, 5))  # through a cell of NAS-Bench-201, as its edges are numbered

Evaluate = Callable[[dict[str, Any]], tuple[float, ...]]
Method = Callable[["Task", int, int, int], np.ndarray]  # of a task, trials, a seed, samples at a time: the points


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


def ours(strategy: str, *, graph: bool = False, **settings: Any) -> Method:
    """A strategy of the project; `graph`: it is told what a network's graph says of it."""

    def run(task: Task, trials: int, seed: int, batch: int) -> np.ndarray:
        names = [f"f{i}" for i in range(len(task.front.reference))]
        objectives: dict[str, Any] = dict.fromkeys(names, "minimize")
        if task.constraint:
            objectives["g"] = Objective("g", limit=0.0, optimize=False)
        if graph and task.free:
            first = {label: options[0] for label, options in task.space.items()}
            objectives |= {name: figure(task.free, name) for name in task.free(first)}
        optimizer = Optimizer(task.space, objectives, strategy=strategy, seed=seed, **settings)
        points: list[tuple[float, ...]] = []
        while len(points) < trials and (samples := optimizer.ask(batch)):
            figures = [task.evaluate(sample) for sample in samples]
            told = [dict(zip(names, figure, strict=True)) for figure in figures]
            broken = [task.constraint(sample) if task.constraint else 0.0 for sample in samples]
            optimizer.tell(samples, [{**known, "g": g} for known, g in zip(told, broken, strict=True)])
            points += [judged(task, figure, g) for figure, g in zip(figures, broken, strict=True)]
        return np.array(points[:trials])

    return run


def figure(free: Callable[[dict[str, Any]], dict[str, float]], name: str) -> CheapFunction:
    """One of the figures of a network's graph, to learn from."""
    return cheap(lambda sample: free(sample)[name], None)


def judged(task: Task, figure: tuple[float, ...], broken: float) -> tuple[float, ...]:
    """What is infeasible gains no volume."""
    return figure if broken <= 0 else tuple(task.front.reference)


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
            super().__init__(vars=variables, n_obj=len(task.front.reference), n_ieq_constr=1)

        def _evaluate(self, x: dict[str, Any], out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            out["F"] = task.evaluate(x)
            out["G"] = [task.constraint(x) if task.constraint else 0.0]
            points.append(judged(task, out["F"], out["G"][0]))

    algorithm = MixedVariableGA(pop_size=20, survival=RankAndCrowdingSurvival())
    minimize(Wrapped(), algorithm, ("n_evals", trials), seed=seed)
    return np.array(points[:trials])


def optuna_sampler(name: str) -> Method:
    def run(task: Task, trials: int, seed: int, batch: int) -> np.ndarray:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        samplers = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True),
            "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=20),
            "gp": lambda: optuna.samplers.GPSampler(seed=seed),
        }
        study = optuna.create_study(sampler=samplers[name](), directions=["minimize"] * len(task.front.reference))
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


def botorch_qlognehvi(task: Task, trials: int, seed: int, batch: int) -> np.ndarray:
    """Gaussian processes on unit or one-hot columns, 10 Sobol points, then qLogNEHVI over 2,048 random samples."""
    import torch
    from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import ModelListGP, SingleTaskGP
    from botorch.optim import optimize_acqf_discrete
    from gpytorch.mlls import SumMarginalLogLikelihood

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    encoding = Encoding(space_of(task.space))
    rows = encoding.masked(encoding.spread(10, rng))
    points = [task.evaluate(dict(encoding.sample(row).values)) for row in rows]

    def columns(rows: np.ndarray) -> torch.Tensor:
        return torch.tensor(encoding.parameter_features(rows)[0])

    while len(points) < trials:
        figures = -torch.tensor(np.array(points))
        scaled = (figures - figures.mean(0)) / figures.std(0)
        model = ModelListGP(*(SingleTaskGP(columns(rows), scaled[:, [j]]) for j in range(scaled.shape[1])))
        fit_gpytorch_mll(SumMarginalLogLikelihood(model.likelihood, model))
        worst = (-torch.tensor(task.front.reference) - figures.mean(0)) / figures.std(0)
        acquisition = qLogNoisyExpectedHypervolumeImprovement(model, worst.tolist(), columns(rows), prune_baseline=True)
        drawn = np.unique(encoding.masked(encoding.draw(2048, rng)), axis=0)
        choices = columns(drawn)
        best, _ = optimize_acqf_discrete(acquisition, q=1, choices=choices, max_batch_size=512)
        row = drawn[int(torch.cdist(best, choices).argmin())]
        rows = np.vstack([rows, row])
        points.append(task.evaluate(dict(encoding.sample(row).values)))
    return np.array(points)


METHODS: dict[str, Method] = {
    **{name: ours(name) for name in STRATEGIES},
    "guided-graph": ours("guided", graph=True),
    "pymoo-nsga2": pymoo_nsga2,
    **{f"optuna-{name}": optuna_sampler(name) for name in ("nsga2", "tpe", "gp")},
    "botorch-qlognehvi": botorch_qlognehvi,
    **{f"bayesian-{name}": ours("bayesian", acquisition=name) for name in ACQUISITIONS},
}


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
