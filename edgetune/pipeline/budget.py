"""What a search costs on this machine, clocked on a few batches before it begins."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from edgetune.distill.evaluate import accuracy, enough, logits_of
from edgetune.distill.finalist import CALIBRATED_ON as FINALLY_CALIBRATED_ON
from edgetune.distill.linear_probe import MOST_PICTURES
from edgetune.distill.loop import Progress, Recipe
from edgetune.distill.side_by_side import at_once, side_by_side
from edgetune.distill.teacher import Teacher
from edgetune.distill.train_teacher import fit_teacher, new_teacher
from edgetune.nets.network import Network
from edgetune.pipeline.int8_tuning import rounded_network
from edgetune.pipeline.meta_features import LOOKED_AT
from edgetune.pipeline.plan import Costs, Plan
from edgetune.pipeline.quick_teacher import quick
from edgetune.pipeline.task import CALIBRATED_ON, JUDGED_ON, Task

BATCHES, TEACHER_BATCHES = 8, 3
"""Fewer are noisy, and weigh the end of a supernet's training, where more is done in a batch, too much; a teacher's are
alike, and may each take seconds."""
EXPORT_SECONDS, EXPORT_LOOKS = 8.0, 4
"""One finalist exported, quantised, compiled and checked on two cores, and how often that looks at the validation and
test pictures. Not clocked: that would cost as much."""
CANDIDATES = {"guided": 640, "bayesian": 640}
"""New samples that a strategy looks at for a trial, about; those that have no surrogate look at one."""


def measure_costs(task: Task, plan: Plan, given: Teacher | None, device: torch.device) -> Costs:
    """Clocks some batches of each training and some pictures of the rest; nothing that is computed here is kept.

    Parameters
    ----------
    given
        The user's teacher, which need not be trained.
    """
    began, dataset = time.perf_counter(), task.dataset
    teacher_epoch, outputs = teacher_costs(task, plan, given, device)
    task, logits, times = _few(task, plan)
    few = task.dataset.train
    supernet = task.new_supernet().to(device)
    network = supernet.extract(task.architecture(task.space.space.draw(np.random.default_rng(0)))).to(device)
    accuracy(network, few, fast=True)  # warms up
    glance = _seconds(lambda: accuracy(network, few, fast=True)) / len(few)
    settling = min(len(dataset.train), enough(FINALLY_CALIBRATED_ON, dataset.resolution))
    checking = EXPORT_LOOKS * (len(dataset.validation) + len(dataset.test))
    sample = task.space.space.draw(np.random.default_rng(1))
    scoring = _seconds(lambda: [score(sample) for score in task.scores.values()]) if task.scores else 0.0
    judging = min(len(dataset.train), enough(CALIBRATED_ON, dataset.resolution))
    judging += min(len(dataset.validation), JUDGED_ON)
    int8_epoch = 0.0
    if plan.int8:
        rounded = rounded_network(task, network).to(device)
        int8_epoch = times * _pass(lambda recipe: task.distil(rounded, logits, recipe), plan.int8)
    return Costs(
        teacher_epoch=teacher_epoch,
        supernet_epoch=0.0
        if plan.trial
        else times * _pass(lambda recipe: task.train_supernet(supernet, logits, recipe), plan.supernet),
        finalist_epoch=times * _beside_copies(task, network, logits, plan, device),
        finalists_at_once=at_once(device, shares=plan.finalists),
        trial_epoch=times * _pass(lambda recipe: task.distil(network, logits, recipe), plan.trial)
        if plan.trial
        else 0.0,
        teacher_outputs=outputs,
        trial=judging * glance + CANDIDATES.get(task.config.strategy, 1) * scoring,
        export=EXPORT_SECONDS + (settling + checking) * glance,
        clocking=time.perf_counter() - began,
        int8_epoch=int8_epoch,
    )


def teacher_costs(task: Task, plan: Plan, given: Teacher | None, device: torch.device) -> tuple[float, float]:
    """Seconds that an epoch of the teacher's training takes, and all that it is asked; of a given one no epoch.

    It is asked for each training picture and its mirror image, or for all views, and once for some of the validation
    split and for the test split.
    """
    dataset, views = task.dataset, task.config.augmentation.views
    once = min(len(dataset.validation), LOOKED_AT) + len(dataset.test)
    looks = (views if views > 1 else 2) + once / len(dataset.train)
    task, _, times = _few(task, plan, TEACHER_BATCHES)
    few, teacher, epoch = task.dataset.train, given, 0.0
    if teacher is None:
        initial = Path(task.config.init_teacher) if task.config.init_teacher else None
        untrained = new_teacher(dataset, initial, narrow=plan.narrow_teacher, seed=0, device=device)
        train = partial(fit_teacher, untrained, task.dataset, seed=0)
        epoch = times * _pass(train, plan.teacher, TEACHER_BATCHES)
        teacher = untrained.folded()
        if initial is not None:  # and one for a classifier on its features
            looks += min(1, MOST_PICTURES / len(dataset.train))
    logits = quick(teacher, device).logits
    logits_of(logits, few.first(1), device=device, fast=True)  # what comes before a first look is not a look's cost
    return epoch, looks * times * _seconds(lambda: logits_of(logits, few, device=device, fast=True))


def finalist_epochs(task: Task, plan: Plan, networks: Iterable[Network], device: torch.device) -> list[float]:
    """Seconds that an epoch of each network takes while others are trained beside it; the networks stay as they are."""
    task, logits, times = _few(task, plan)
    return [times * _beside_copies(task, network, logits, plan, device) for network in networks]


def _few(task: Task, plan: Plan, batches: int = BATCHES) -> tuple[Task, np.ndarray, float]:
    """The task with a few training pictures, made-up teacher's outputs of those, and how often they go into all."""
    dataset = task.dataset
    few = dataset.train.first(batches * plan.finalist.batch_size)
    logits = np.zeros((len(few), len(dataset.classes)), dtype=np.float32)
    return replace(task, dataset=replace(dataset, train=few)), logits, len(dataset.train) / len(few)


def _beside_copies(task: Task, network: Network, logits: np.ndarray, plan: Plan, device: torch.device) -> float:
    """Seconds for one pass of a copy of the network while as many more are trained as there is room for."""
    networks = [copy.deepcopy(network) for _ in range(at_once(device, shares=plan.finalists))]

    def train(recipe: Recipe) -> None:
        trainings = [partial(_distil, task, network, logits, recipe) for network in networks]
        side_by_side(trainings, device, shares=len(networks))

    return _pass(train, plan.finalist)


def _distil(task: Task, network: Network, logits: np.ndarray, recipe: Recipe, progress: Progress) -> None:
    task.distil(network, logits, recipe, progress=progress)


def _pass(train: Callable[[Recipe], object], recipe: Recipe, batches: int = BATCHES) -> float:
    """Seconds for one pass over the few pictures, after some that warm up.

    What a training does besides its batches, such as setting BatchNorm's statistics, weighs little in a whole one: it
    is taken off, as a training of one batch tells it.
    """
    one = replace(recipe, epochs=1 / batches)
    train(one)
    first = _seconds(lambda: train(one))
    whole = _seconds(lambda: train(replace(recipe, epochs=1)))
    return max((whole - first) * batches / (batches - 1), whole / batches)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
