"""Optimizers and schedules against each other: what each kind of training reaches in the same epochs."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np

from edgetune.distill.evaluate import accuracy, top1_on
from edgetune.distill.loop import Recipe
from edgetune.distill.precision import best_device
from edgetune.distill.train_teacher import fit_teacher, new_teacher
from edgetune.pipeline.plan import plan_of
from edgetune.pipeline.task import Task
from tools.bench.distil_sandwich import inherited
from tools.bench.distil_setup import Log, mean_and_spread, student
from tools.bench.distil_supernet import prepared, random_networks

NETWORKS = 10
"""Judged of each supernet."""


@dataclass(frozen=True)
class Change:
    """What is other than in a search."""

    epochs: float
    optimizer: str
    rate: float
    """Times the usual one."""
    schedule: str

    def of(self, usual: Recipe) -> Recipe:
        return replace(
            usual,
            epochs=self.epochs,
            optimizer=self.optimizer,
            learning_rate=self.rate * usual.learning_rate,
            schedule=self.schedule,
        )


def optimizers(options: argparse.Namespace) -> None:
    """Top-1 of a student, a teacher, and of networks that inherit a supernet's weights, by what trains them."""
    task, outputs = prepared(options)
    log = Log(options.log)
    told = (options.optimizers, options.rates, options.schedules)
    changes = [
        Change(options.epochs, name, float(rate), schedule)
        for name, rate, schedule in itertools.product(*(names.split(",") for names in told))
    ]
    for seed in range(options.seeds):
        seeded = replace(task, config=task.config.model_copy(update={"seed": seed}))
        for subject in options.subjects.split(","):
            for change in changes:
                if not log.known(subject=subject, seed=seed, **asdict(change)):
                    began = time.process_time()
                    top1 = SUBJECTS[subject](seeded, outputs, change)
                    seconds = time.process_time() - began
                    log.add(subject=subject, seed=seed, **asdict(change), top1=top1, seconds=seconds)
    table(log)


def student_top1(task: Task, outputs: np.ndarray, change: Change) -> float:
    """Of the student that the losses are compared with, distilled as a finalist is."""
    network = student(task.dataset, task.config.seed)
    task.distil(network, outputs, change.of(plan_of(task.config).finalist))
    return accuracy(network, task.dataset.test)


def teacher_top1(task: Task, outputs: np.ndarray, change: Change) -> float:
    del outputs  # it has no teacher
    seed, device = task.config.seed, best_device()
    teacher = new_teacher(task.dataset, None, seed=seed, device=device)
    fit_teacher(teacher, task.dataset, change.of(plan_of(task.config).teacher), seed=seed)
    return top1_on(teacher.logits, task.dataset.test, device=device)


def supernet_top1(task: Task, outputs: np.ndarray, change: Change) -> float:
    """The mean of random networks."""
    supernet = task.new_supernet().to(best_device())
    task.train_supernet(supernet, outputs, change.of(plan_of(task.config).supernet))
    return float(np.mean([inherited(task, supernet, chosen) for chosen in random_networks(task, NETWORKS)]))


SUBJECTS: dict[str, Callable[[Task, np.ndarray, Change], float]] = {
    "student": student_top1,
    "teacher": teacher_top1,
    "supernet": supernet_top1,
}


def table(log: Log) -> None:
    """Mean and spread (the standard deviation over seeds), and the gain over the first optimizer at its best rate."""
    print("| subject | optimizer | schedule | rate | seeds | top-1 | over the first |\n|---|---|---|---|---|---|---|")
    found: dict[tuple[str, str, str, float], list[float]] = {}
    for row in log.rows:
        key = (row["subject"], row["optimizer"], row["schedule"], row["rate"])
        found.setdefault(key, []).append(100 * row["top1"])
    for (subject, name, schedule, rate), tops in found.items():
        first = next(key[:3] for key in found if key[0] == subject)
        gain = np.mean(tops) - max(np.mean(other) for key, other in found.items() if key[:3] == first)
        row = (subject, name, schedule, f"{rate:g}", len(tops), mean_and_spread(tops), f"{gain:+.2f}")
        print(f"| {' | '.join(map(str, row))} |")
