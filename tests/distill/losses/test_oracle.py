"""Every loss on random tensors beside torchdistill's, or, where it has none, beside the paper's formula in numpy."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from torch import Tensor

from edgetune.distill.losses import Distillation
from edgetune.distill.losses.attention import attention_transfer
from edgetune.distill.losses.decoupled import decoupled_distillation
from edgetune.distill.losses.dist import dist
from edgetune.distill.losses.hints import Hints
from edgetune.distill.losses.labels import label_loss
from edgetune.distill.losses.logits import logit_distillation
from edgetune.distill.losses.relational import relational_distillation

Drawn = Callable[..., Tensor]
seeds = st.integers(0, 10_000)
counts = st.integers(3, 9)
classes = st.integers(3, 12)
temperatures = st.floats(0.5, 10)
WHERE: dict[str, Any] = {
    "student_module_path": "x",
    "student_module_io": "output",
    "teacher_module_path": "x",
    "teacher_module_io": "output",
}


def outputs(student: Any, teacher: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A student's and a teacher's as torchdistill collects them."""
    return {"x": {"output": student}}, {"x": {"output": teacher}}


@given(seeds, counts, classes, temperatures)
def test_logit_distillation(
    torchdistill: ModuleType, draw: Drawn, seed: int, n: int, width: int, temperature: float
) -> None:
    student, teacher = draw(seed, n, width), draw(seed + 1, n, width)
    theirs = torchdistill.KDLoss(**WHERE, temperature=temperature, alpha=0.3)(*outputs(student, teacher))
    torch.testing.assert_close(logit_distillation(student, teacher, temperature), temperature**2 * theirs)
    labels = torch.from_numpy(np.random.default_rng(seed).integers(0, width, n))
    with_labels = torchdistill.KDLoss(**WHERE, temperature=temperature, alpha=0.3)(*outputs(student, teacher), labels)
    torch.testing.assert_close(Distillation(temperature, 0.7)(student, teacher, labels), with_labels)


@given(seeds, counts, classes, temperatures)
def test_dist(torchdistill: ModuleType, draw: Drawn, seed: int, n: int, width: int, temperature: float) -> None:
    student, teacher = draw(seed, n, width), draw(seed + 1, n, width)
    theirs = torchdistill.DISTLoss(**WHERE, tau=temperature)(*outputs(student, teacher))
    torch.testing.assert_close(dist(student, teacher, temperature), theirs, rtol=1e-6, atol=1e-9)


@given(
    seeds, counts, st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(2, 7)), min_size=1, max_size=3)
)
def test_attention_transfer(
    torchdistill: ModuleType, draw: Drawn, seed: int, n: int, pairs: list[tuple[int, int, int]]
) -> None:
    student = [draw(seed + i, n, width, side, side) for i, (width, _, side) in enumerate(pairs)]
    teacher = [draw(seed + 9 + i, n, width, side, side) for i, (_, width, side) in enumerate(pairs)]
    of_torchdistill = torchdistill.ATLoss({}, mode="code").compute_at_loss
    theirs = sum(of_torchdistill(mine, other) for mine, other in zip(student, teacher, strict=True))
    torch.testing.assert_close(attention_transfer(student, teacher), theirs)


@given(seeds, st.integers(3, 7), st.integers(2, 9), st.integers(2, 9))
def test_relational_distillation(
    torchdistill: ModuleType, draw: Drawn, seed: int, n: int, width: int, other: int
) -> None:
    student, teacher = draw(seed, n, width), draw(seed + 1, n, other)
    loss = torchdistill.RKDLoss("x", "x", dist_factor=25.0, angle_factor=50.0, reduction="mean")
    torch.testing.assert_close(
        relational_distillation(student, teacher), loss(*outputs(student, teacher)), rtol=1e-5, atol=1e-6
    )


@given(seeds, counts, classes, temperatures, st.floats(0, 3), st.floats(0, 10))
def test_decoupled_distillation_is_the_papers_formula(
    draw: Drawn, seed: int, n: int, width: int, temperature: float, alpha: float, beta: float
) -> None:
    """Zhao 2022, equations 4 to 7, a picture and a class at a time; torchdistill has none."""
    student, teacher = draw(seed, n, width), draw(seed + 1, n, width)
    labels = np.random.default_rng(seed).integers(0, width, n)
    expected = 0.0
    for z, t, label in zip(student.numpy(), teacher.numpy(), labels, strict=True):
        q, p = softmax(z / temperature), softmax(t / temperature)
        tckd = p[label] * np.log(p[label] / q[label]) + (1 - p[label]) * np.log((1 - p[label]) / (1 - q[label]))
        rest_q, rest_p = np.delete(q, label) / (1 - q[label]), np.delete(p, label) / (1 - p[label])
        nckd = np.sum(rest_p * np.log(rest_p / rest_q))
        expected += temperature**2 * (alpha * tckd + beta * nckd) / n
    loss = decoupled_distillation(
        student, teacher, torch.from_numpy(labels), temperature, target_weight=alpha, other_weight=beta
    )
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-7)


@given(seeds, counts, classes, temperatures)
def test_decoupled_distillation_joined_again_is_plain(
    draw: Drawn, seed: int, n: int, width: int, temperature: float
) -> None:
    """Equation 5: with β the teacher's doubt, picture by picture, both parts add up to the plain loss."""
    student, teacher = draw(seed, 1, width), draw(seed + 1, 1, width)
    doubt = 1 - softmax(teacher.numpy() / temperature, 1)[0, 1]
    joined = decoupled_distillation(student, teacher, torch.tensor([1]), temperature, other_weight=float(doubt))
    torch.testing.assert_close(joined, logit_distillation(student, teacher, temperature), rtol=1e-6, atol=1e-9)


@given(seeds, counts, classes, st.floats(0, 0.9))
def test_smoothed_labels_are_szegedys(draw: Drawn, seed: int, n: int, width: int, smoothing: float) -> None:
    logits, labels = draw(seed, n, width), np.random.default_rng(seed).integers(0, width, n)
    target = (1 - smoothing) * np.eye(width)[labels] + smoothing / width
    expected = -(target * log_softmax(logits.numpy(), 1)).sum(1).mean()
    shares = torch.from_numpy(np.eye(width)[labels])
    assert label_loss(logits, torch.from_numpy(labels), smoothing=smoothing).item() == pytest.approx(expected)
    assert label_loss(logits, shares, smoothing=smoothing).item() == pytest.approx(expected)


@given(seeds, st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_hints_are_the_error_of_a_projection(
    draw: Drawn, seed: int, n: int, width: int, teacher_width: int, side: int
) -> None:
    hints = Hints(width, teacher_width).double()
    student, teacher = draw(seed, n, width, side, side), draw(seed + 1, n, teacher_width, side, side)
    matrix, bias = (weight.detach().numpy() for weight in hints.projection.parameters())
    projected = np.einsum("oc,nchw->nohw", matrix[:, :, 0, 0], student.numpy()) + bias[:, None, None]
    expected = np.mean((projected - teacher.numpy()) ** 2)
    assert hints(student, teacher).item() == pytest.approx(expected)


def test_maps_of_other_sizes_are_averaged_down(draw: Drawn) -> None:
    small, large = draw(0, 2, 3, 4, 4), draw(1, 2, 5, 8, 8)
    energy = large.pow(2).mean(1, keepdim=True).view(2, 1, 4, 2, 4, 2).mean((3, 5))
    assert torch.allclose(attention_transfer([small], [large]), attention_transfer([small], [energy.sqrt()]))
    assert torch.allclose(attention_transfer([large], [small]), attention_transfer([energy.sqrt()], [small]))
    hints = Hints(3, 5).double()
    assert torch.allclose(hints(small, large), hints(small, large.view(2, 5, 4, 2, 4, 2).mean((3, 5))))


@pytest.mark.parametrize("name", ["logits", "dist", "decoupled", "attention", "relational"])
def test_a_student_that_is_its_teacher_has_nothing_to_learn(name: str, draw: Drawn) -> None:
    logits, maps = draw(0, 6, 5).requires_grad_(), draw(1, 6, 4, 3, 3).requires_grad_()
    losses = {
        "logits": lambda: logit_distillation(logits, logits.detach(), 2.0),
        "dist": lambda: dist(logits, logits.detach(), 2.0),
        "decoupled": lambda: decoupled_distillation(logits, logits.detach(), torch.arange(6) % 5, 2.0),
        "attention": lambda: attention_transfer([maps], [maps.detach()]),
        "relational": lambda: relational_distillation(logits, logits.detach()),
    }
    loss = losses[name]()
    loss.backward()
    grad = maps.grad if name == "attention" else logits.grad
    assert loss.item() == pytest.approx(0, abs=1e-9) and grad is not None and grad.abs().max() < 1e-6


@pytest.mark.parametrize("loss", [dist, lambda s, t, c: decoupled_distillation(s, t, torch.tensor([0, 1]), c)])
def test_confident_teachers_give_finite_gradients(loss: Callable[..., Tensor]) -> None:
    teacher = torch.tensor([[1e4, -1e4, 0.0], [0.0, 1e4, -1e4]])
    student = torch.tensor([[-1e4, 1e4, 0.0], [0.0, 0.0, 0.0]], requires_grad=True)
    value = loss(student, teacher, 1.0)
    value.backward()
    assert torch.isfinite(value) and student.grad is not None and torch.isfinite(student.grad).all()
