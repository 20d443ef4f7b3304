"""Training the weight-sharing supernet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgetune.data.pictures import Pictures
from edgetune.distill.loop import Batch, Progress, Recipe, train
from edgetune.distill.losses import Distillation
from edgetune.distill.precision import mixed_precision
from edgetune.nets.elastic import Supernet
from edgetune.space.architecture import Architecture

GROWING = 0.25
"""Share of the training in which only the largest networks are trained, so that the rest are slices of something good:
the first phase of progressive shrinking (Cai 2020). Random networks learn several times as fast after it."""
RANDOM_NETWORKS = 2
"""A batch, besides one of the largest or the smallest."""


def train_supernet(
    supernet: Supernet,
    *,
    largest: Sequence[Architecture],
    smallest: Architecture,
    draw: Callable[[np.random.Generator], Architecture],
    pictures: Pictures,
    teacher_logits: np.ndarray,
    recipe: Recipe,
    distillation: Distillation,
    seed: int,
    checkpoint: Path | None,
    progress: Progress | None,
) -> None:
    """Trains all networks at once towards the teacher and the labels.

    First only the largest, one of each kind in turn; then each batch trains an end of the space and some random
    networks (after the sandwich rule of Yu and Huang 2019, with one end a batch).
    """

    def architectures(done: float, rng: np.random.Generator) -> list[Architecture]:
        big = largest[int(rng.integers(len(largest)))]
        if done < GROWING:
            return [big]
        return [big if rng.random() < 0.5 else smallest, *(draw(rng) for _ in range(RANDOM_NETWORKS))]

    def losses(batch: Batch) -> Iterator[Tensor]:
        assert batch.teacher_logits is not None
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=batch.generator)))
        for architecture in architectures(batch.done, rng):
            with mixed_precision(batch.pixels.device):
                logits = supernet(batch.pixels, architecture)
            yield distillation(logits.float(), batch.teacher_logits, batch.labels)

    train(
        supernet,
        losses,
        pictures,
        recipe,
        seed=seed,
        stage="supernet",
        teacher_logits=teacher_logits,
        checkpoint=checkpoint,
        progress=progress,
    )
