"""How well a supernet ranks networks, and what it saves against training each candidate apart."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.stats import kendalltau

from edgetune.config import SearchConfig
from edgetune.data.pictures import Dataset
from edgetune.distill.evaluate import accuracy, recalibrate
from edgetune.distill.loop import Progress
from edgetune.distill.precision import best_device
from edgetune.distill.side_by_side import side_by_side
from edgetune.latency.predictor import Predictor
from edgetune.nets.elastic import Supernet
from edgetune.nets.network import Network
from edgetune.pipeline.judging import SupernetJudge
from edgetune.pipeline.plan import plan_of
from edgetune.pipeline.task import Task
from edgetune.search.finalists import pick_finalists
from edgetune.search.pareto import front, hypervolume
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.space.architecture import Architecture
from edgetune.space.parameters import Sample
from tools.bench.distil_setup import Log, fresh, load, mean_and_spread, recipe_of, taught


def ranking(options: argparse.Namespace) -> None:
    """Kendall's τ between the top-1 of subnets with inherited weights and trained alone."""
    task, outputs = prepared(options)
    log = Log(options.log)
    supernet = trained_supernet(task, outputs, options, log)
    recipe = recipe_of(options)
    one_epoch = replace(recipe, epochs=1, learning_rate=options.tuning_rate * recipe.learning_rate)

    def compare(number: int, inherited: Network, alone: Network, tuned: Network, progress: Progress) -> None:
        recalibrate(inherited, task.dataset.train.images)
        task.distil(alone, outputs, recipe, progress=progress)
        task.distil(tuned, outputs, one_epoch, progress=progress)
        figures = {"inherited": inherited, "alone": alone, "tuned": tuned}
        log.add(network=number, **{name: accuracy(network, task.dataset.test) for name, network in figures.items()})

    chosen = random_networks(task, options.networks)
    comparisons = [
        partial(compare, n, supernet.extract(plan), fresh(plan, task.dataset, seed=n), supernet.extract(plan))
        for n, plan in enumerate(chosen)
        if not log.known(network=n)
    ]
    side_by_side(comparisons, best_device(), shares=options.networks)
    rows = [row for row in log.rows if "network" in row]
    columns = {name: np.array([row[name] for row in rows]) for name in ("inherited", "alone", "tuned")}
    tau = kendalltau(columns["inherited"], columns["alone"])
    gap = 100 * (columns["tuned"] - columns["alone"])
    for name, column in columns.items():
        print(f"{name}: {mean_and_spread(100 * column)}")
    print(
        f"{len(rows)} networks: Kendall tau {tau.statistic:.2f} (p {tau.pvalue:.1g}); inherited, tuned for an epoch, "
        f"against alone for {options.epochs}: {gap.mean():+.2f} points, from {gap.min():+.2f} to {gap.max():+.2f}"
    )


def random_networks(task: Task, count: int) -> list[Architecture]:
    """The same ones each time: logs speak of them by number."""
    rng = np.random.default_rng(1)
    return [task.architecture(task.space.space.draw(rng)) for _ in range(count)]


def prepared(options: argparse.Namespace) -> tuple[Task, np.ndarray]:
    """A search's task on the cut data set, with its usual distillation, and the teacher's outputs."""
    dataset = load(options)
    _, outputs = taught(options, dataset)
    return Task(SearchConfig(data=options.data), dataset, Predictor.load("rpi4")), outputs


def trained_supernet(task: Task, outputs: np.ndarray, options: argparse.Namespace, log: Log) -> Supernet:
    """Processor seconds of each epoch go to the log."""
    supernet = task.new_supernet().to(best_device())
    recipe = replace(plan_of(task.config).supernet, epochs=options.supernet_epochs)
    epoch = len(task.dataset.train) // recipe.batch_size * recipe.batch_size
    began = time.process_time()

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal began
        if done % epoch == 0:
            log.add(supernet=done, seconds=time.process_time() - began)
            began = time.process_time()

    checkpoint = options.log.with_suffix(".pt")
    task.train_supernet(supernet, outputs, recipe, checkpoint=checkpoint, progress=progress)
    return supernet


def clocked(work: Callable[[], object]) -> float:
    """Seconds of the processor, of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def cost(options: argparse.Namespace) -> None:
    """Processor time of a search with a supernet, against the same strategy with each candidate trained apart.

    With the log of `ranking` it takes that one's supernet. Both fronts are chosen on the validation split and
    compared by the hypervolume of predicted latency and test top-1.
    """
    task, outputs = prepared(options)
    log = Log(options.log)
    supernet = trained_supernet(task, outputs, options, log)
    apart = trained_apart(task, outputs, options)[: options.networks]  # a log may hold more
    size = {"trials": options.trials, "finalists": options.finalists, "finalist_epochs": options.finalist_epochs}
    if not log.known(**size):
        log.add(**size, **with_supernet(task, supernet, outputs, **size))
    (row,) = [row for row in log.rows if size.items() <= row.items()]
    seconds = row["seconds"] + sum({row["supernet"]: row["seconds"] for row in log.rows if "supernet" in row}.values())
    found = np.array(row["points"])
    points = test_points(task, apart)
    reference = np.vstack([found, points]).max(axis=0) * [1.1, 1.0]
    goal = hypervolume(found, reference)
    spent = np.cumsum([(trial.values or {})["cpu_seconds"] for trial in apart])
    volumes = [hypervolume(test_points(task, apart[: n + 1]), reference) for n in range(len(apart))]
    print(f"supernet: {seconds:.0f} s, hypervolume 1, best top-1 {100 * (1 - found[:, 1].min()):.2f}")
    print(
        f"{len(apart)} trained apart for {options.epochs} epochs: {spent[-1]:.0f} s ({spent[-1] / seconds:.1f} times), "
        f"hypervolume {volumes[-1] / goal:.3f}, best top-1 {100 * (1 - points[:, 1].min()):.2f}"
    )
    reached = [time for time, volume in zip(spent, volumes, strict=True) if volume >= goal]
    print(
        f"same hypervolume after {reached[0]:.0f} s, {reached[0] / seconds:.1f} times" if reached else "never as much"
    )


def with_supernet(
    task: Task, supernet: Supernet, outputs: np.ndarray, *, trials: int, finalists: int, finalist_epochs: float
) -> dict[str, object]:
    """A search by inherited weights, its finalists distilled: seconds but for the supernet's, and the final front."""
    began = time.process_time()
    with TemporaryDirectory() as folder, Study.create(Path(folder) / "study.db", {}) as study:
        judged = run_search(study, task.new_strategy(), SupernetJudge(task, supernet), trials=trials)
    recipe, distilled = replace(plan_of(task.config).finalist, epochs=finalist_epochs), []
    for trial in pick_finalists(task.problem, judged, finalists):
        network = supernet.extract(task.architecture(trial.sample)).to(best_device())
        task.distil(network, outputs, recipe)
        distilled.append(replace(trial, values={**(trial.values or {}), **tops(network, task.dataset)}))
    return {"seconds": time.process_time() - began, "points": test_points(task, distilled).tolist()}


def trained_apart(task: Task, outputs: np.ndarray, options: argparse.Namespace) -> list[Trial]:
    """Trials of the same strategy, kept in a study beside the log."""

    def evaluate(sample: Sample) -> Mapping[str, float]:
        network = fresh(task.architecture(sample), task.dataset, seed=0)
        seconds = clocked(partial(task.distil, network, outputs, recipe_of(options)))
        return {**tops(network, task.dataset), "cpu_seconds": seconds}

    path = options.log.with_suffix(".db")
    with Study.open(path) if path.exists() else Study.create(path, {}) as study:
        return run_search(
            study,
            task.new_strategy(),
            evaluate,
            trials=options.networks,
            on_trial=lambda trial: print(trial.number, dict(trial.values or {}), flush=True),
        )


def tops(network: Network, dataset: Dataset) -> dict[str, float]:
    return {"top1": accuracy(network, dataset.validation), "test": accuracy(network, dataset.test)}


def test_points(task: Task, trials: list[Trial]) -> np.ndarray:
    """Latency and test error of the validation front, float (n, 2)."""
    best = [trial.values or {} for trial in front(task.problem, trials)]
    return np.array([[values["latency_ms"], 1 - values["test"]] for values in best])
