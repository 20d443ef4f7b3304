"""What one search is about: a configuration, its data and its board, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from edgetune.config import SearchConfig, scores_of
from edgetune.data.load import load_dataset
from edgetune.data.pictures import Dataset, Pictures
from edgetune.distill.evaluate import accuracy, recalibrate
from edgetune.distill.features import FEATURE_LOSSES, FeatureDistillation
from edgetune.distill.finalist import distil
from edgetune.distill.loop import Progress, Recipe
from edgetune.distill.losses import LOGIT_LOSSES, Distillation
from edgetune.distill.sandwich import Sandwich
from edgetune.distill.supernet import train_supernet
from edgetune.distill.teacher import Teacher
from edgetune.latency.from_architecture import graph_of
from edgetune.latency.graph import Graph
from edgetune.latency.prediction import Prediction
from edgetune.latency.predictor import Predictor
from edgetune.nets.elastic import Supernet
from edgetune.nets.network import Network, build_network
from edgetune.nets.zero_cost import score_of_sample
from edgetune.search.catalogue import make_strategy
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.strategy import Strategy
from edgetune.space.architecture import Architecture
from edgetune.space.mobile import MobileSpace, space_for
from edgetune.space.parameters import Sample, Space, Value

DISTILLATION_GAINS = 0.01
"""How far below a limit on accuracy a trial with inherited weights may lie: full distillation gains about a point."""

JUDGED_ON = 3_000
"""Validation pictures a trial is judged on; the standard error of its top-1 is about half a point at 90 %."""
CALIBRATED_ON = 1_000
"""Training pictures that set a trial's BatchNorm statistics."""
SCORED_ON = 16
"""Training pictures that zero-cost scores are computed on."""
TRAINING = "training."
"""Before the labels of hyper-parameters."""
Settings = TypeVar("Settings", Recipe, Distillation)


def load_data(config: SearchConfig, progress: Progress | None = None) -> Dataset:
    """The data set that a configuration names, decoded and split once and then taken from the cache.

    Raises
    ------
    DataError
        See :func:`edgetune.data.load.load_dataset`.
    """
    return load_dataset(config.data, resolution=config.resolution, seed=config.seed, progress=progress)


@dataclass(frozen=True)
class Task:
    """What is searched for: a configuration, its data and its board."""

    config: SearchConfig
    dataset: Dataset
    predictor: Predictor

    @cached_property
    def space(self) -> MobileSpace:
        return space_for(self.dataset.resolution)

    @cached_property
    def search_space(self) -> Space:
        """The architecture's choices, and beside them the hyper-parameters that are searched for."""
        space, named = self.space.space, self.config.hyper_parameters.named
        beside = tuple(options.parameter(TRAINING + name) for name, options in named.items())
        return Space(space.name, space.parameters + beside)

    @property
    def pools(self) -> dict[str, tuple[Value, ...]]:
        """What a space that adapts begins with, where the configuration says that it may become more."""
        named = self.config.hyper_parameters.named
        return {TRAINING + name: pool for name, options in named.items() if (pool := options.pool(name))}

    @cached_property
    def distillation(self) -> Distillation:
        """From logits; see :meth:`distil` for what is taken from inner features."""
        said = self.config.distillation
        weights = {name: weight for name, weight in said.weights.named.items() if name in LOGIT_LOSSES}
        return Distillation(said.temperature, said.teacher_weight, said.smoothing, weights)

    @cached_property
    def problem(self) -> Problem:
        limits = self.config.limits
        floor = None if limits.top1 is None else limits.top1 - DISTILLATION_GAINS
        objectives = [
            Objective("top1", "maximize", limit=floor),
            Objective("latency_ms", limit=limits.latency_ms, cheap=True, unit="ms"),
            Objective("size_bytes", limit=limits.size_bytes, cheap=True, unit="B", optimize=False),
            Objective("memory_bytes", limit=limits.memory_bytes, cheap=True, unit="B", optimize=False),
        ]
        if limits.most_macs is not None:
            objectives.append(Objective("macs", limit=limits.most_macs, cheap=True, optimize=False))
        return Problem(self.search_space, tuple(objectives), cheap=CheapFigures(self))

    @cached_property
    def scores(self) -> dict[str, Callable[[Sample], float]]:
        """The zero-cost scores that are asked for, by name."""
        named, few = self.config.learning.scores, self.dataset.train.first(SCORED_ON)
        pixels, labels = torch.from_numpy(pixels_of(few, SCORED_ON)), torch.from_numpy(few.labels)
        names = () if named is None else scores_of(named, where="learning.scores")
        return {name: score_of_sample(name, self.new_network, pixels, labels) for name in names}

    def new_strategy(self) -> Strategy:
        """The same proposals each time it is made and told the same."""
        return make_strategy(self.config.strategy, self.problem, seed=self.config.seed)

    def architecture(self, sample: Sample) -> Architecture:
        data = self.dataset
        return self.space.architecture(
            sample, channels=data.channels, resolution=data.resolution, classes=len(data.classes)
        )

    def graph(self, sample: Sample) -> Graph:
        return graph_of(self.architecture(sample))

    @cached_property
    def largest(self) -> list[Architecture]:
        """One of each block kind; together they hold every weight of the space."""
        return [self.architecture(sample) for sample in self.space.largest()]

    def new_network(self, sample: Sample) -> Network:
        """With weights that torch's global generator draws."""
        return build_network(self.architecture(sample), mean=self.dataset.mean, std=self.dataset.std)

    def new_supernet(self) -> Supernet:
        torch.manual_seed(self.config.seed)
        return Supernet(self.largest, self.dataset.mean, self.dataset.std)

    def train_supernet(
        self,
        supernet: Supernet,
        teacher_logits: np.ndarray,
        recipe: Recipe,
        *,
        checkpoint: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Trains all networks of the space at once, in place."""
        said = self.config.supernet_training
        train_supernet(
            supernet,
            Sandwich(self.space, self.architecture, said.shrinking.model_dump(), both_ends=said.in_place),
            in_place=said.in_place,
            pictures=self.dataset.train,
            teacher_logits=teacher_logits,
            recipe=recipe,
            distillation=self.distillation,
            seed=self.config.seed,
            checkpoint=checkpoint,
            progress=progress,
        )

    def judge(self, network: Network) -> float:
        """Validation top-1 of a network, once its BatchNorm is recalibrated."""
        recalibrate(network, self.dataset.train.images[:CALIBRATED_ON])
        return accuracy(network, self.dataset.validation.first(JUDGED_ON), fast=True)

    def distil(
        self,
        network: nn.Module,
        teacher_logits: np.ndarray,
        recipe: Recipe,
        *,
        sample: Sample | None = None,
        teacher: Teacher | None = None,
        stage: str = "finalist",
        checkpoint: Path | None = None,
        progress: Progress | None = None,
        after_epoch: Callable[[], None] | None = None,
    ) -> None:
        """Trains one network, in place, with the hyper-parameters that its sample has in the place of the usual ones.

        `teacher` is asked again where inner features have a weight.
        """
        said, augmentation = self.config.distillation, self.config.augmentation
        chosen = hyper_parameters(sample) if sample else {}
        recipe = replace(
            recipe,
            ema=said.ema,
            mixup=augmentation.mixup,
            cutmix=augmentation.cutmix,
            rand_augment=augmentation.rand_augment,
        )
        inner = {name: weight for name, weight in said.weights.named.items() if name in FEATURE_LOSSES}
        shape = {"resolution": self.dataset.resolution, "channels": self.dataset.channels}
        distil(
            network,
            self.dataset.train,
            teacher_logits,
            _with(recipe, chosen),
            distillation=_with(self.distillation, chosen),
            features=FeatureDistillation(network, teacher, inner, **shape) if inner and teacher else None,
            seed=self.config.seed,
            stage=stage,
            checkpoint=checkpoint,
            progress=progress,
            after_epoch=after_epoch,
        )


def pixels_of(pictures: Pictures, count: int) -> np.ndarray:
    """The first pictures as artefacts take them: float32 (N, C, H, W), raw pixel values."""
    return np.ascontiguousarray(pictures.images[:count].transpose(0, 3, 1, 2), dtype=np.float32)


def hyper_parameters(sample: Sample) -> dict[str, Value]:
    """Those that are part of a sample, by the names of :class:`edgetune.config.HyperParameters`."""
    labelled = {label: value for label, value in sample.values.items() if label.startswith(TRAINING)}
    return {label.removeprefix(TRAINING): value for label, value in labelled.items()}


def _with(settings: Settings, chosen: Mapping[str, Value]) -> Settings:
    """With those of the hyper-parameters that are its own."""
    names = {field.name for field in fields(settings)}
    own: dict[str, Any] = {name: value for name, value in chosen.items() if name in names}
    return replace(settings, **own)


@dataclass(frozen=True)
class CheapFigures:
    """What is known of networks without training them; quicker for many at once."""

    task: Task

    def __call__(self, sample: Sample) -> dict[str, float]:
        return self.many([sample])[0]

    def many(self, samples: Sequence[Sample]) -> list[dict[str, float]]:
        graphs = [self.task.graph(sample) for sample in samples]
        latencies = self.task.predictor.predict_many(graphs)
        return [
            _figures(graph, latency) | {name: score(sample) for name, score in self.task.scores.items()}
            for sample, graph, latency in zip(samples, graphs, latencies, strict=True)
        ]


def _figures(graph: Graph, latency: Prediction) -> dict[str, float]:
    low, high = latency.interval_ms
    return {
        "latency_ms": latency.latency_ms,
        "latency_low_ms": low,
        "latency_high_ms": high,
        "size_bytes": graph.weight_bytes("fp32"),
        "memory_bytes": graph.weight_bytes("fp32") + graph.peak_memory_bytes("fp32"),
        "macs": graph.macs,
        "parameters": graph.parameters,
    }
