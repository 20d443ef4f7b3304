"""Distilling one network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from edgetune.data.pictures import Pictures
from edgetune.distill.evaluate import recalibrate
from edgetune.distill.features import FeatureDistillation
from edgetune.distill.loop import Batch, Progress, Recipe, train
from edgetune.distill.losses import Distillation
from edgetune.distill.precision import mixed_precision, place

CALIBRATED_ON = 5_000
"""Training pictures that set the final BatchNorm statistics."""


def distil(
    network: nn.Module,
    pictures: Pictures,
    teacher_logits: np.ndarray,
    recipe: Recipe,
    *,
    distillation: Distillation,
    features: FeatureDistillation | None = None,
    seed: int,
    stage: str,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
    after_epoch: Callable[[], None] | None = None,
) -> None:
    """Trains `network` in place.

    With `features`, made of the same network, the losses of inner features are added, and the teacher looks at each
    batch. For `after_epoch` see :func:`edgetune.distill.loop.train`.
    """
    place(network, next(network.parameters()).device)

    def losses(batch: Batch) -> Iterator[Tensor]:
        assert batch.teacher_logits is not None
        with mixed_precision(batch.pixels.device):
            logits = network(batch.pixels)
        loss = distillation(logits.float(), batch.teacher_logits, batch.labels)
        yield loss if features is None else loss + features(batch.pixels)

    train(
        network if features is None else nn.ModuleList([network, features]),
        losses,
        pictures,
        recipe,
        seed=seed,
        stage=stage,
        teacher_logits=teacher_logits,
        checkpoint=checkpoint,
        progress=progress,
        after_epoch=after_epoch,
    )
    if features:
        features.close()
    recalibrate(network, pictures.images[:CALIBRATED_ON])
