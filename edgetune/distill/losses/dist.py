"""DIST: distillation of relations instead of values (Huang 2022)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def dist(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """One minus Pearson's correlation of the probabilities, over classes and over pictures, both added up.

    A student need only rank as its teacher does, so that a teacher far stronger than it does no harm (sections 3.2 and
    3.3, β = γ = 1, times the squared temperature as in the authors' code). Both logits are (N, classes).
    """
    p, q = (student / temperature).softmax(1), (teacher / temperature).softmax(1)
    return temperature**2 * (_unlike(p, q) + _unlike(p.T, q.T))


def _unlike(p: Tensor, q: Tensor) -> Tensor:
    """Mean over rows of one minus their correlation."""
    p, q = p - p.mean(1, keepdim=True), q - q.mean(1, keepdim=True)
    return 1 - functional.cosine_similarity(p, q).mean()
