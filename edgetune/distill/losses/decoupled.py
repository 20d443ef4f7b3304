"""Decoupled knowledge distillation, DKD (Zhao 2022, equation 7)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from edgetune.distill.losses.labels import hard


def decoupled_distillation(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    temperature: float,
    *,
    target_weight: float = 1.0,
    other_weight: float = 8.0,
) -> Tensor:
    """Distils how sure the teacher is of the label apart from what it says of the other classes.

    Plain distillation weighs the second by one minus the teacher's own confidence, and so nearly loses it where the
    teacher is sure.

    Parameters
    ----------
    student, teacher
        Logits, (N, classes).
    labels
        (N,), or (N, classes) of mixed pictures, of which the larger part counts.
    target_weight, other_weight
        α and β of the paper; their defaults are its own for CIFAR-100.
    """
    student, teacher = student / temperature, teacher / temperature
    target = functional.one_hot(hard(labels), student.shape[1]).bool()
    sure = functional.kl_div(_binary(student, target), _binary(teacher, target), reduction="batchmean", log_target=True)
    others = functional.kl_div(_rest(student, target), _rest(teacher, target), reduction="batchmean", log_target=True)
    return (target_weight * sure + other_weight * others) * temperature**2


def _binary(logits: Tensor, target: Tensor) -> Tensor:
    """Log probabilities of the label and of anything else, (N, 2)."""
    log_p = functional.log_softmax(logits, dim=1)
    return torch.stack([log_p[target], log_p[~target].view(len(logits), -1).logsumexp(1)], 1)


def _rest(logits: Tensor, target: Tensor) -> Tensor:
    """Log probabilities of the other classes among themselves, (N, classes - 1)."""
    return functional.log_softmax(logits[~target].view(len(logits), -1), dim=1)
