"""A teacher from nothing of the usual width beside one of half of it, in the same time of the processor."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import torch

from edgetune.config import SearchConfig
from edgetune.data.pictures import Dataset
from edgetune.distill.evaluate import top1_on
from edgetune.distill.loop import Recipe
from edgetune.distill.train_teacher import fit_teacher, new_teacher
from edgetune.pipeline.plan import plan_of
from tools.bench.distil_setup import Log, load, mean_and_spread

BATCHES = 20
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
        fitted(dataset, few, narrow=narrow, seed=0)  # warms up
    usual, half = (fitted(dataset, few, narrow=narrow, seed=0)["seconds"] for narrow in NAMES)
    for seed in range(options.seeds):
        for narrow, name in NAMES.items():
            if not log.known(width=name, seed=seed):
                epochs = options.epochs * (usual / half if narrow else 1)
                log.add(
                    width=name, seed=seed, **fitted(dataset, replace(recipe, epochs=epochs), narrow=narrow, seed=seed)
                )
    for name in NAMES.values():
        rows = [row for row in log.rows if row["width"] == name]
        told = ", ".join(
            f"{what} {mean_and_spread([row[what] for row in rows])}" for what in ("top1", "epochs", "seconds")
        )
        print(f"{name}: {told} ({len(rows)} seeds)")


def fitted(dataset: Dataset, recipe: Recipe, *, narrow: bool, seed: int) -> dict[str, float]:
    """What became of a training, top-1 in percent of the test pictures."""
    device, began = torch.device("cpu"), time.process_time()
    teacher = new_teacher(dataset, None, narrow=narrow, seed=seed, device=device)
    fit_teacher(teacher, dataset, recipe, seed=seed)
    seconds = time.process_time() - began
    top1 = 100 * top1_on(teacher.folded().logits, dataset.test, device=device)
    return {"top1": top1, "epochs": recipe.epochs, "seconds": seconds}
