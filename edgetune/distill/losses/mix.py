"""The weighted sum of losses that a student is trained with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from edgetune.distill.losses.decoupled import decoupled_distillation
from edgetune.distill.losses.dist import dist
from edgetune.distill.losses.labels import label_loss
from edgetune.distill.losses.logits import logit_distillation

LOGIT_LOSSES: dict[str, Callable[[Distillation, Tensor, Tensor, Tensor], Tensor]] = {
    "labels": lambda mix, student, teacher, labels: label_loss(student, labels, smoothing=mix.smoothing),
    "logits": lambda mix, student, teacher, labels: logit_distillation(student, teacher, mix.temperature),
    "decoupled": lambda mix, student, teacher, labels: decoupled_distillation(
        student, teacher, labels, mix.temperature
    ),
    "dist": lambda mix, student, teacher, labels: dist(student, teacher, mix.temperature),
}
"""Losses of the logits alone; those of inner features are in :mod:`edgetune.distill.features`."""


@dataclass(frozen=True)
class Distillation:
    """The weighted sum of the losses that `weights` names (see :data:`LOGIT_LOSSES`).

    Without any, that of :func:`logit_distillation` and the cross-entropy with the labels, by `teacher_weight`.
    """

    temperature: float = 2.0
    teacher_weight: float = 0.9
    smoothing: float = 0.0  # of the labels
    weights: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """Logits (N, classes) of both, labels (N,) or, of mixed pictures, (N, classes)."""
        if self.weights:
            losses = [
                weight * LOGIT_LOSSES[name](self, student, teacher, labels) for name, weight in self.weights.items()
            ]
            return sum(losses[1:], losses[0])
        soft = logit_distillation(student, teacher, self.temperature)
        return torch.lerp(label_loss(student, labels, smoothing=self.smoothing), soft, self.teacher_weight)
