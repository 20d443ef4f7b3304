"""What a search costs on this machine, clocked on a few batches before it begins."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from edgetune.data.pictures import Pictures
from edgetune.distill.evaluate import accuracy, recalibrate
from edgetune.distill.loop import Recipe
from edgetune.distill.precision import to_pixels
from edgetune.distill.teacher import Teacher
from edgetune.distill.train_teacher import fit_teacher, new_teacher
from edgetune.pipeline.plan import Costs, Plan
from edgetune.pipeline.task import CALIBRATED_ON, JUDGED_ON, Task

BATCHES = 3
PICTURES = 64
EXPORT_SECONDS = 25.0
"""One finalist exported, quantised, compiled and checked on two cores. Not clocked: that would cost as much."""


def measure_costs(task: Task, plan: Plan, given: Teacher | None, device: torch.device) -> Costs:
    """Clocks some batches of each training and some pictures of the rest; nothing that is computed here is kept.

    Parameters
    ----------
    given
        The user's teacher, which need not be trained.
    """
    pictures = task.dataset.train
    logits = np.zeros((len(pictures), len(task.dataset.classes)), dtype=np.float32)
    teacher, teacher_epoch = given, 0.0
    if teacher is None:
        initial = Path(task.config.init_teacher) if task.config.init_teacher else None
        teacher = new_teacher(task.dataset, initial, seed=0, device=device)
        teacher_epoch = _epoch(
            lambda recipe: fit_teacher(teacher, task.dataset, recipe, seed=0), plan.teacher, pictures
        )
    supernet = task.new_supernet().to(device)
    network = supernet.extract(task.architecture(task.space.space.draw(np.random.default_rng(0)))).to(device)
    few = Pictures(pictures.images[:PICTURES], pictures.labels[:PICTURES])
    pixels = to_pixels(few.images, device)
    return Costs(
        teacher_epoch=teacher_epoch,
        supernet_epoch=_epoch(lambda recipe: task.train_supernet(supernet, logits, recipe), plan.supernet, pictures),
        finalist_epoch=_epoch(lambda recipe: task.distil(network, logits, recipe), plan.finalist, pictures),
        teacher_outputs=2 * len(pictures) / len(few) * _seconds(lambda: teacher.logits(pixels)),
        trial=(CALIBRATED_ON + JUDGED_ON)
        / (2 * len(few))
        * _seconds(lambda: (recalibrate(network, few.images), accuracy(network, few))),
        export=EXPORT_SECONDS,
    )


def _epoch(train: Callable[[Recipe], None], recipe: Recipe, pictures: Pictures) -> float:
    """Seconds for one pass over the pictures, from a few batches after a first one."""
    batches = max(1, len(pictures) // recipe.batch_size)

    def some(count: int) -> float:
        return _seconds(lambda: train(replace(recipe, epochs=count / batches)))

    some(1)
    return some(min(BATCHES, batches)) / min(BATCHES, batches) * batches


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
