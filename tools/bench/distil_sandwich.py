"""Ways to train a supernet, for the same processor time each."""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from scipy.stats import kendalltau

from edgetune.config import SearchConfig
from edgetune.distill.evaluate import accuracy, recalibrate
from edgetune.distill.loop import Recipe
from edgetune.distill.precision import best_device
from edgetune.nets.elastic import Supernet
from edgetune.pipeline.plan import plan_of
from edgetune.pipeline.task import Task
from edgetune.space.architecture import Architecture
from edgetune.space.shrinking import CHOICES
from tools.bench.distil_setup import Log, mean_and_spread
from tools.bench.distil_supernet import clocked, prepared, random_networks

CLOCKED = 20
"""Steps of a training that is only clocked; they go through all of its phases."""
RELATIONS = {"temperature": 2.0, "weights": {"labels": 0.3, "logits": 0.7, "dist": 1.0}}
IN_TURN = {"operators": 0.25, "kernel": 0.25, "depth": 0.4, "expansion": 0.55, "width": 0.7}
WAYS: dict[str, dict[str, Any]] = {
    "usual": {},
    "not grown": {"supernet_training": {"shrinking": dict.fromkeys(CHOICES, 0.0)}},
    "shrinking": {"supernet_training": {"shrinking": IN_TURN}},
    "in place": {"supernet_training": {"in_place": True}},
    "in place and shrinking": {"supernet_training": {"in_place": True, "shrinking": IN_TURN}},
    "dist": {"distillation": RELATIONS},
}
"""Parts of a configuration; what is not named is as in a search."""


def supernets(options: argparse.Namespace) -> None:
    """Top-1 of random networks with weights inherited from supernets that were trained in several ways.

    With a log of `ranking` of the same pictures, Kendall's τ to its networks trained alone.
    """
    log, known = Log(options.log), Log(options.ranking)
    alone = {row["network"]: row["alone"] for row in known.rows if "alone" in row}
    task, outputs = prepared(options)
    for seed in range(options.seeds):
        for way in options.ways.split(","):
            if log.known(way=way, seed=seed):
                continue
            config = SearchConfig.model_validate({"data": options.data, "seed": seed, **WAYS[way]})
            supernet, recipe, seconds = trained_for(options.seconds, replace(task, config=config), outputs)
            tops = [inherited(task, supernet, one) for one in random_networks(task, options.networks)]
            log.add(way=way, seed=seed, epochs=recipe.epochs, seconds=seconds, tops=tops)
    print("| way | seeds | epochs | inherited | Kendall's τ |\n|---|---|---|---|---|")
    for way in dict.fromkeys(row["way"] for row in log.rows):
        rows = [row for row in log.rows if row["way"] == way]
        means = [100 * np.mean(row["tops"]) for row in rows]
        both = sorted(alone.keys() & range(len(rows[0]["tops"])))
        taus = [kendalltau([row["tops"][n] for n in both], [alone[n] for n in both]).statistic for row in rows]
        epochs = np.mean([row["epochs"] for row in rows])
        tau = f"{np.mean(taus):.2f} ({len(both)} networks)" if len(both) > 1 else ""
        print(f"| {way} | {len(rows)} | {epochs:.1f} | {mean_and_spread(means)} | {tau} |")


def trained_for(seconds: float, task: Task, outputs: np.ndarray) -> tuple[Supernet, Recipe, float]:
    """A supernet for which a training of this much processor time was planned, its recipe and what it took."""
    recipe = plan_of(task.config).supernet
    per_epoch = len(task.dataset.train) // recipe.batch_size
    brief = replace(recipe, epochs=CLOCKED / per_epoch)
    step = clocked(partial(task.train_supernet, task.new_supernet().to(best_device()), outputs, brief)) / CLOCKED
    recipe, supernet = replace(recipe, epochs=seconds / step / per_epoch), task.new_supernet().to(best_device())
    return supernet, recipe, clocked(partial(task.train_supernet, supernet, outputs, recipe))


def inherited(task: Task, supernet: Supernet, architecture: Architecture) -> float:
    """Test top-1 of a network with the supernet's weights."""
    network = supernet.extract(architecture).to(best_device())
    recalibrate(network, task.dataset.train.images)
    return accuracy(network, task.dataset.test)
