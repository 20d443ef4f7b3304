"""What a student is trained towards."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


def logit_distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence from the softened teacher, times the temperature squared (Hinton 2015, section 2).

    Both logits are (N, classes); the result is the mean over N.
    """
    log_student = functional.log_softmax(student / temperature, dim=1)
    log_teacher = functional.log_softmax(teacher / temperature, dim=1)
    divergence = functional.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return divergence * temperature**2


@dataclass(frozen=True)
class Distillation:
    """The weighted sum of :func:`logit_distillation` and the cross-entropy with the labels."""

    temperature: float = 2.0
    teacher_weight: float = 0.9

    def __call__(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        soft = logit_distillation(student, teacher, self.temperature)
        hard = functional.cross_entropy(student, labels)
        return torch.lerp(hard, soft, self.teacher_weight)
