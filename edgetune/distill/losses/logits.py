"""Knowledge distillation (Hinton, Vinyals and Dean 2015)."""

from __future__ import annotations

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
