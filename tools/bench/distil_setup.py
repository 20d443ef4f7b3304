"""What the commands of :mod:`tools.bench.distil` share: their log, data, teacher and recipe."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from edgetune.data.load import load_dataset
from edgetune.data.pictures import Dataset
from edgetune.distill.evaluate import top1_on
from edgetune.distill.loop import Recipe
from edgetune.distill.precision import best_device
from edgetune.distill.teacher import Teacher
from edgetune.distill.teacher_checkpoint import load_teacher
from edgetune.distill.teacher_outputs import teacher_outputs
from edgetune.distill.train_teacher import trained_teacher
from edgetune.files import cache_folder
from edgetune.nets.network import Network, build_network
from edgetune.space.architecture import Architecture, Block, BlockKind


class Log:
    """Finished trainings, a JSON line each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def known(self, **what: object) -> bool:
        return any(what.items() <= row.items() for row in self.rows)

    def add(self, **row: object) -> None:
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


def mean_and_spread(values: Sequence[float] | np.ndarray) -> str:
    """The spread is the standard deviation."""
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=len(values) > 1):.2f}"


def load(options: argparse.Namespace) -> Dataset:
    """The set with its training split cut short."""
    whole = load_dataset(options.data)
    few = whole.train.first(options.pictures)
    return replace(whole, train=few, content_hash=f"{whole.content_hash} first {options.pictures}")


def taught(options: argparse.Namespace, dataset: Dataset) -> tuple[Teacher, np.ndarray]:
    """The teacher and its logits for the training pictures; both are kept in the cache."""
    device = best_device()
    if options.teacher:
        teacher: Teacher = load_teacher(options.teacher).to(device)
    else:
        recipe = replace(recipe_of(options), epochs=options.teacher_epochs, learning_rate=0.005)
        teacher = trained_teacher(
            dataset, recipe, initial=options.init_teacher, seed=0, cache=cache_folder(), device=device
        )
    cache, key = cache_folder(), dataset.content_hash
    outputs = teacher_outputs(teacher, dataset.train, key=key, flip=True, cache=cache, device=device)
    few = dataset.test.first(1000)
    print(
        f"teacher: {teacher.name}, {100 * top1_on(teacher.logits, few, device=device):.1f} % "
        "of the first 1,000 test pictures",
        flush=True,
    )
    return teacher, outputs


def recipe_of(options: argparse.Namespace) -> Recipe:
    return Recipe(options.epochs, options.learning_rate, batch_size=128, optimizer="muon")


def fresh(architecture: Architecture, dataset: Dataset, *, seed: int) -> Network:
    torch.manual_seed(seed)
    return build_network(architecture, mean=dataset.mean, std=dataset.std).to(best_device())


def student(dataset: Dataset, seed: int) -> Network:
    """A network of fewer than 50,000 parameters: a fused block, then twice two inverted residual ones."""
    blocks, width = [], 16
    stages: tuple[tuple[BlockKind, int, int], ...] = (("fused", 16, 1), ("mbconv", 24, 2), ("mbconv", 48, 2))
    for stage, (kind, wide, depth) in enumerate(stages, 1):
        for number in range(depth):
            blocks.append(
                Block(
                    name=f"stage{stage}_block{number + 1}",
                    kind=kind,
                    in_width=width,
                    out_width=wide,
                    stride=1 if number else 2,
                    kernel=3,
                    expansion=3,
                    activation="relu",
                    squeeze_excite=False,
                )
            )
            width = wide
    shape = {"channels": dataset.channels, "resolution": dataset.resolution, "classes": len(dataset.classes)}
    plan = Architecture(**shape, stem_width=16, stem_stride=1, blocks=tuple(blocks), head_width=128, activation="relu")
    return fresh(plan, dataset, seed=seed)
