"""Training the weight-sharing supernet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from edgetune.data.pictures import Pictures
from edgetune.distill.loop import Batch, Progress, Recipe, train
from edgetune.distill.losses import Distillation
from edgetune.distill.precision import mixed_precision
from edgetune.distill.sandwich import Sandwich
from edgetune.nets.elastic import Supernet


def train_supernet(
    supernet: Supernet,
    sandwich: Sandwich,
    *,
    in_place: bool,
    pictures: Pictures,
    teacher_logits: np.ndarray,
    recipe: Recipe,
    distillation: Distillation,
    seed: int,
    checkpoint: Path | None,
    progress: Progress | None,
) -> None:
    """Trains all networks at once, those of `sandwich` a batch, towards the teacher and the labels.

    With `in_place` only the first of a batch learns from the teacher, and the others from the first, which is a largest
    one (Yu and Huang 2019, section 3.2): its outputs are a target, through which no gradient flows.
    """
    assert sandwich.both_ends or not in_place

    def losses(batch: Batch) -> Iterator[Tensor]:
        assert batch.teacher_logits is not None
        rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=batch.generator)))
        target = batch.teacher_logits
        for position, architecture in enumerate(sandwich.networks(batch.done, rng)):
            with mixed_precision(batch.pixels.device):
                logits = supernet(batch.pixels, architecture).float()
            yield distillation(logits, target, batch.labels)
            if in_place and position == 0:
                target = logits.detach()

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
