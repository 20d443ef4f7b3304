"""A teacher from nothing of the usual width beside one of half of it, in the same time of the processor."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial

import torch

from edgetune.config import SearchConfig
from edgetune.data.pictures import Dataset
from edgetune.distill.evaluate import top1_on
from edgetune.distill.loop import Recipe
from edgetune.distill.teacher_checkpoint import CheckpointTeacher
from edgetune.distill.train_teacher import fit_teacher, new_teacher
from edgetune.pipeline.plan import plan_of
from tools.bench.distil_setup import Log, load, mean_and_spread
from tools.bench.distil_supernet import clocked

BATCHES = 20
DEVICE = torch.device("cpu")
NAMES = {False: "usual", True: "half"}


def widths(options: argparse.Namespace) -> None:
    """Top-1 of teachers from nothing: the usual one with `--epochs`, one of half the width in the same time.

    The epochs of the second follow from some batches of both. Seconds are the processor's, one thread.
    """
    torch.set_num_threads(1)
    dataset, log = load(options), Log(options.log)
    recipe = replace(plan_of(SearchConfig()).teacher, epochs=options.epochs)
    few = replace(recipe, epochs=BATCHES * recipe.batch_size / len(dataset.train))
    for narrow in NAMES:
        trained(dataset, few, narrow=narrow, seed=0)  # warms up
    usual, half = (trained(dataset, few, narrow=narrow, seed=0)[1] for narrow in NAMES)
    epochs = {False: options.epochs, True: options.epochs * usual / half}
    for seed in range(options.seeds):
        for narrow, name in NAMES.items():
            if not log.known(width=name, seed=seed):
                teacher, seconds = trained(dataset, replace(recipe, epochs=epochs[narrow]), narrow=narrow, seed=seed)
                top1 = 100 * top1_on(teacher.folded().logits, dataset.test, device=DEVICE)
                log.add(width=name, seed=seed, top1=top1, epochs=epochs[narrow], seconds=seconds)
    for name in NAMES.values():
        rows = [row for row in log.rows if row["width"] == name]
        told = [f"{what} {mean_and_spread([row[what] for row in rows])}" for what in ("top1", "epochs", "seconds")]
        print(f"{name}: {', '.join(told)} ({len(rows)} seeds)")


def trained(dataset: Dataset, recipe: Recipe, *, narrow: bool, seed: int) -> tuple[CheckpointTeacher, float]:
    """A teacher, and the seconds that its training took."""
    teacher = new_teacher(dataset, None, narrow=narrow, seed=seed, device=DEVICE)
    return teacher, clocked(partial(fit_teacher, teacher, dataset, recipe, seed=seed))
