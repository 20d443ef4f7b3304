"""Optimizers against each other: what each kind of training reaches in the same epochs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from edgetune.distill.evaluate import accuracy, top1_on
from edgetune.distill.loop import Recipe
from edgetune.distill.precision import best_device
from edgetune.distill.train_teacher import fit_teacher, new_teacher
from edgetune.pipeline.plan import plan_of
from edgetune.pipeline.task import Task
from tools.bench.distil_sandwich import inherited
from tools.bench.distil_setup import Log, student
from tools.bench.distil_supernet import prepared, random_networks

OPTIMIZERS = ("adamw", "muon")


@dataclass(frozen=True)
class Setting:
    """What all trainings of a command have in common."""

    task: Task
    outputs: np.ndarray
    epochs: float
    networks: int


def optimizers(options: argparse.Namespace) -> None:
    """Top-1 of a student, of a teacher, and of networks that inherit a supernet's weights, by optimizer and rate."""
    setting = Setting(*prepared(options), epochs=options.epochs, networks=options.networks)
    log = Log(options.log)
    for seed in range(options.seeds):
        for subject in options.subjects.split(","):
            for name in OPTIMIZERS:
                for times in map(float, options.rates.split(",")):
                    told = {"subject": subject, "optimizer": name, "rate": times, "seed": seed}
                    if not log.known(**told):
                        began = time.process_time()
                        top1 = SUBJECTS[subject](setting, name, times, seed)
                        log.add(**told, top1=top1, seconds=time.process_time() - began)
    table(log)


def student_top1(setting: Setting, optimizer: str, times: float, seed: int) -> float:
    """Of the student that the losses are compared with, distilled as a finalist is."""
    network = student(setting.task.dataset, seed)
    usual = plan_of(setting.task.config).finalist
    setting.task.distil(network, setting.outputs, of(usual, setting, optimizer, times))
    return accuracy(network, setting.task.dataset.test)


def teacher_top1(setting: Setting, optimizer: str, times: float, seed: int) -> float:
    dataset = setting.task.dataset
    teacher = new_teacher(dataset, None, seed=seed, device=best_device())
    fit_teacher(teacher, dataset, of(plan_of(setting.task.config).teacher, setting, optimizer, times), seed=seed)
    return top1_on(teacher.logits, dataset.test, device=best_device())


def supernet_top1(setting: Setting, optimizer: str, times: float, seed: int) -> float:
    """The mean of random networks."""
    task = replace(setting.task, config=setting.task.config.model_copy(update={"seed": seed}))
    supernet = task.new_supernet().to(best_device())
    task.train_supernet(supernet, setting.outputs, of(plan_of(task.config).supernet, setting, optimizer, times))
    return float(np.mean([inherited(task, supernet, chosen) for chosen in random_networks(task, setting.networks)]))


SUBJECTS: dict[str, Callable[[Setting, str, float, int], float]] = {
    "student": student_top1,
    "teacher": teacher_top1,
    "supernet": supernet_top1,
}


def of(usual: Recipe, setting: Setting, optimizer: str, times: float) -> Recipe:
    return replace(usual, epochs=setting.epochs, optimizer=optimizer, learning_rate=times * usual.learning_rate)


def table(log: Log) -> None:
    """Mean and spread (the standard deviation over seeds), and what is gained over AdamW at its best rate."""
    print("| subject | optimizer | rate | seeds | top-1 | over the best of AdamW |\n|---|---|---|---|---|---|")
    found: dict[tuple[str, str, float], list[float]] = {}
    for row in log.rows:
        found.setdefault((row["subject"], row["optimizer"], row["rate"]), []).append(100 * row["top1"])
    for (subject, name, times), tops in found.items():
        best = max(np.mean(other) for key, other in found.items() if key[:2] == (subject, OPTIMIZERS[0]))
        spread = np.std(tops, ddof=len(tops) > 1)
        gain = np.mean(tops) - best
        print(f"| {subject} | {name} | {times:g} | {len(tops)} | {np.mean(tops):.2f} ± {spread:.2f} | {gain:+.2f} |")
