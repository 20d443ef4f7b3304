"""The distillation loss against its formula, computed by scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, rel_entr, softmax
from torch import Tensor

from edgetune.distill.losses import Distillation, logit_distillation

temperatures = st.floats(0.5, 20)


def logits(seed: int, *, n: int = 4, classes: int = 7) -> np.ndarray:
    return 5 * np.random.default_rng(seed).standard_normal((n, classes))


def softened_divergence(student: np.ndarray, teacher: np.ndarray, temperature: float) -> float:
    """Hinton 2015: the relative entropy of the softened outputs, summed over classes, averaged over pictures."""
    divergences = rel_entr(softmax(teacher / temperature, 1), softmax(student / temperature, 1)).sum(1)
    return float(temperature**2 * divergences.mean())


@given(st.integers(0, 1000), temperatures)
def test_distillation_is_its_formula(seed: int, temperature: float) -> None:
    student, teacher = logits(seed), logits(seed + 1)
    loss = logit_distillation(torch.from_numpy(student), torch.from_numpy(teacher), temperature)
    assert loss.item() == pytest.approx(softened_divergence(student, teacher, temperature), rel=1e-9, abs=1e-12)


@given(st.integers(0, 1000), temperatures, st.floats(0, 1))
def test_the_sum_is_weighted(seed: int, temperature: float, weight: float) -> None:
    student, teacher = logits(seed), logits(seed + 1)
    labels = np.random.default_rng(seed).integers(0, 7, 4)
    cross_entropy = -log_softmax(student, 1)[np.arange(4), labels].mean()
    expected = weight * softened_divergence(student, teacher, temperature) + (1 - weight) * cross_entropy
    loss = Distillation(temperature, weight)(*map(torch.from_numpy, (student, teacher, labels)))
    assert loss.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(st.integers(0, 1000), temperatures)
def test_a_student_that_is_its_teacher_has_nothing_to_learn(seed: int, temperature: float) -> None:
    student = torch.from_numpy(logits(seed)).requires_grad_()
    loss = logit_distillation(student, student.detach() + 3.0, temperature)  # a constant changes no probability
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-9)
    assert student.grad is not None and student.grad.abs().max() < 1e-9


def test_the_gradient_is_hintons() -> None:
    """Equation 2 of the paper, times the squared temperature: the difference of the softened outputs."""
    student, teacher = torch.from_numpy(logits(0)).requires_grad_(), torch.from_numpy(logits(1))
    logit_distillation(student, teacher, 3.0).backward()
    difference = softmax(student.detach().numpy() / 3, 1) - softmax(teacher.numpy() / 3, 1)
    assert student.grad is not None
    np.testing.assert_allclose(student.grad, 3 * difference / 4, rtol=1e-9)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_confident_teachers_give_finite_losses(temperature: float) -> None:
    teacher: Tensor = torch.tensor([[1e4, -1e4, 0.0]])
    student = torch.tensor([[-1e4, 1e4, 0.0]], requires_grad=True)
    loss = logit_distillation(student, teacher, temperature)
    loss.backward()
    assert torch.isfinite(loss) and student.grad is not None and torch.isfinite(student.grad).all()
