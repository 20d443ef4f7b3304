"""The search strategies that are compared: the project's own, and those of pymoo, Optuna and BoTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgetune.search.bayesian import ACQUISITIONS
from edgetune.search.catalogue import STRATEGIES
from edgetune.search.encoding import Encoding
from edgetune.search.objective import Objective
from edgetune.search.optimizer import CheapFunction, Optimizer, cheap
from edgetune.space.describe import space_of
from tools.bench.search_tasks import Task

Method = Callable[[Task, int, int, int], np.ndarray]  # of a task, trials, a seed, samples at a time: the points


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
