"""Distilling one network of the front in full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import Tensor

from edgetune.data.pictures import Pictures
from edgetune.distill.evaluate import recalibrate
from edgetune.distill.loop import Batch, Progress, Recipe, train
from edgetune.distill.losses import Distillation
from edgetune.distill.precision import mixed_precision, place
from edgetune.nets.network import Network

CALIBRATED_ON = 5_000
"""Training pictures that set the final BatchNorm statistics."""


def distil(
    network: Network,
    pictures: Pictures,
    teacher_logits: np.ndarray,
    recipe: Recipe,
    *,
    distillation: Distillation,
    seed: int,
    stage: str,
    checkpoint: Path | None = None,
    progress: Progress | None = None,
) -> None:
    """Trains `network`, which starts from the supernet's weights, in place."""
    place(network, next(network.parameters()).device)

    def losses(batch: Batch) -> Iterator[Tensor]:
        assert batch.teacher_logits is not None
        with mixed_precision(batch.pixels.device):
            logits = network(batch.pixels)
        yield distillation(logits.float(), batch.teacher_logits, batch.labels)

    train(
        network,
        losses,
        pictures,
        recipe,
        seed=seed,
        stage=stage,
        teacher_logits=teacher_logits,
        checkpoint=checkpoint,
        progress=progress,
    )
    recalibrate(network, pictures.images[:CALIBRATED_ON])
