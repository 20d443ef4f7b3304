"""Training the weight-sharing supernet, and judging a network of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgetune.data.pictures import Pictures
from edgetune.distill.loop import Batch, Progress, Recipe, train
from edgetune.distill.losses import Distillation, logit_distillation
from edgetune.distill.precision import mixed_precision
from edgetune.nets.elastic import Supernet
from edgetune.space.architecture import Architecture

RANDOM_NETWORKS = 1
"""Besides the largest and the smallest, a batch."""


def train_supernet(
    supernet: Supernet,
    *,
    largest: Architecture,
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
    """The sandwich rule (Yu and Huang 2019): each batch trains the largest, the smallest and some random networks.

    The largest learns from teacher and labels, the others from the largest one's output on the same batch
    (in-place distillation) and the teacher's in equal parts.
    """

    def losses(batch: Batch) -> Iterator[Tensor]:
        assert batch.teacher_logits is not None
        device = batch.pixels.device
        with mixed_precision(device):
            logits = supernet(batch.pixels, largest).float()
        yield distillation(logits, batch.teacher_logits, batch.labels)
        inplace = logits.detach()
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=batch.generator)))
        for architecture in (smallest, *(draw(rng) for _ in range(RANDOM_NETWORKS))):
            with mixed_precision(device):
                logits = supernet(batch.pixels, architecture).float()
            from_teacher = distillation(logits, batch.teacher_logits, batch.labels)
            yield (from_teacher + logit_distillation(logits, inplace, distillation.temperature)) / 2

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
