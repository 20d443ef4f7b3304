"""Distillation of inner features: which maps are paired, that hints learn, that nothing is left behind."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgetune.data.pictures import Dataset
from edgetune.distill.features import FeatureDistillation, FeatureMaps, check_features
from edgetune.distill.finalist import distil
from edgetune.distill.loop import Recipe
from edgetune.distill.losses import Distillation
from edgetune.distill.losses.attention import attention_transfer
from edgetune.distill.losses.relational import relational_distillation
from edgetune.distill.teacher import Teacher, TorchTeacher
from edgetune.errors import TeacherError
from tests.distill.conftest import MakeNetwork, TinyNet


@pytest.fixture
def teacher(make_network: MakeNetwork) -> TorchTeacher:
    return TorchTeacher(
        make_network(seed=5),
        name="mine",
        classes=["a", "b", "c", "d"],
        channels=1,
        resolution=8,
        content_hash="",
        licence="",
    )


def test_the_last_map_of_each_resolution_is_taken(make_network: MakeNetwork) -> None:
    network = make_network()
    maps = FeatureMaps(network, torch.zeros(2, 1, 8, 8))
    assert maps.layers == [network.normalize, network.features[0], network.features[1]]
    assert maps.widths == [1, 8, 8]
    pixels = torch.rand(3, 1, 8, 8) * 255
    network(pixels)
    first, second, third = maps.caught()
    assert [tuple(found.shape) for found in (first, second, third)] == [(3, 1, 8, 8), (3, 8, 4, 4), (3, 8, 2, 2)]
    assert torch.equal(network.features[1](second), third)
    maps.close()
    assert not any(layer._forward_hooks for layer in network.modules())


def test_it_is_the_sum_of_the_losses(make_network: MakeNetwork, teacher: TorchTeacher) -> None:
    student, pixels = make_network().eval(), torch.rand(6, 1, 8, 8) * 255
    weights = {"attention": 100.0, "relational": 0.5}
    features = FeatureDistillation(student, teacher, weights, resolution=8, channels=1)
    student(pixels)
    loss = features(pixels)

    def maps(network: TinyNet) -> list[torch.Tensor]:
        normalized = network.normalize(pixels)
        first = network.features[0](normalized)
        return [normalized, first, network.features[1](first)]

    assert isinstance(teacher.module, TinyNet)
    mine, theirs = maps(student), maps(teacher.module)
    embeddings = (found[-1].mean((2, 3)) for found in (mine, theirs))
    expected = 100 * attention_transfer(mine, theirs) + 0.5 * relational_distillation(*embeddings)
    torch.testing.assert_close(loss, expected, rtol=0.05, atol=1e-3)  # the teacher may be computed in bfloat16
    assert not any(weight.requires_grad is False for weight in student.parameters())


def test_a_student_learns_its_teachers_features(
    make_network: MakeNetwork, teacher: TorchTeacher, dataset: Dataset
) -> None:
    """With hints the projection is trained too; the teacher stays as it is; no hook is left."""
    student = make_network(seed=1)
    before = [weight.clone() for weight in teacher.module.parameters()]
    features = FeatureDistillation(student, teacher, {"hints": 1.0}, resolution=8, channels=1)
    assert features.hints is not None
    start = features.hints.projection.weight.detach().clone()
    logits = np.zeros((256, 4), np.float32)
    pixels = torch.from_numpy(dataset.test.images).permute(0, 3, 1, 2).float()

    def error() -> float:
        student.eval()(pixels)
        return float(features(pixels).detach())

    untrained = error()
    recipe = Recipe(epochs=20, learning_rate=0.01, batch_size=64, shift=0)
    nothing = Distillation(weights={"logits": 0.0})
    distil(student, dataset.train, logits, recipe, distillation=nothing, features=features, seed=0, stage="test")
    assert not torch.equal(start, features.hints.projection.weight)
    assert all(map(torch.equal, before, teacher.module.parameters()))
    assert not any(layer._forward_hooks for module in (student, teacher.module) for layer in module.modules())
    again = FeatureDistillation(student, teacher, {"hints": 1.0}, resolution=8, channels=1)
    again.hints = features.hints
    features = again
    assert error() < untrained / 2


def test_teachers_without_feature_maps_are_refused(make_network: MakeNetwork, teacher: TorchTeacher) -> None:
    class Words(Teacher):
        name = "words"
        to = logits = macs = parameters = None  # type: ignore[assignment]

    with pytest.raises(TeacherError, match="gives logits and no feature maps"):
        FeatureDistillation(make_network(), Words(), {"hints": 1}, resolution=8, channels=1)
    teacher.module = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    with pytest.raises(TeacherError, match="has no feature maps"):
        FeatureDistillation(make_network(), teacher, {"hints": 1}, resolution=8, channels=1)


def test_a_teacher_is_checked_before_a_student_is_there(teacher: TorchTeacher) -> None:
    check_features(teacher)
    assert not any(layer._forward_hooks for layer in teacher.module.modules())
    flat = nn.Sequential(nn.Flatten(), nn.Linear(64, 4))
    without = TorchTeacher(
        flat, name="mine", classes=list("abcd"), channels=1, resolution=8, content_hash="", licence=""
    )
    with pytest.raises(TeacherError, match=r"^mine: it has no feature maps"):
        check_features(without)
