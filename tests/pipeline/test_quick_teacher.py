from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from edgetune.distill.features import FeatureDistillation
from edgetune.distill.teacher import TorchTeacher
from edgetune.distill.teacher_checkpoint import CheckpointTeacher, build, load_checkpoint, save_checkpoint
from edgetune.pipeline import quick_teacher
from edgetune.pipeline.quick_teacher import QuickTeacher, quick
from tests.distill.conftest import SMALL_TEACHER as SMALL

CPU = torch.device("cpu")


@pytest.fixture
def teacher(tmp_path: Path) -> CheckpointTeacher:
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "teacher", build(SMALL), SMALL)
    return load_checkpoint(tmp_path / "teacher")


@pytest.fixture(autouse=True)
def without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_teacher, "has_bfloat16", lambda device: False)


def test_it_is_the_same_teacher_and_says_the_same(teacher: CheckpointTeacher) -> None:
    folded = quick(teacher.folded(), CPU)
    assert isinstance(folded, QuickTeacher)
    about = (teacher.content_hash, teacher.macs, teacher.parameters, teacher.classes, teacher.name, teacher.licence)
    assert about == (folded.content_hash, folded.macs, folded.parameters, folded.classes, folded.name, folded.licence)
    pixels = torch.rand(37, SMALL.channels, SMALL.resolution, SMALL.resolution) * 255
    torch.testing.assert_close(folded.logits(pixels), teacher.logits(pixels), rtol=1e-4, atol=1e-4)
    smaller = pixels[..., ::2, ::2].contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(folded.logits(smaller), teacher.logits(smaller), rtol=1e-4, atol=1e-4)


def test_its_features_can_be_learnt(teacher: CheckpointTeacher) -> None:
    student = build(SMALL).eval()
    size = {"resolution": SMALL.resolution, "channels": SMALL.channels}
    pixels = torch.rand(4, SMALL.channels, SMALL.resolution, SMALL.resolution) * 255
    losses = []
    for one in (teacher, quick(teacher, CPU)):
        features = FeatureDistillation(student, one, {"relational": 1.0}, **size)
        student(pixels)
        losses.append(features(pixels))
        features.close()
    torch.testing.assert_close(*losses)


def test_others_look_as_they_did(teacher: CheckpointTeacher, monkeypatch: pytest.MonkeyPatch) -> None:
    own = TorchTeacher(
        nn.Flatten(), name="own", classes=list("abcd"), channels=1, resolution=2, content_hash="", licence=""
    )
    assert quick(own, CPU) is own
    with monkeypatch.context() as patch:
        patch.setattr(quick_teacher, "has_bfloat16", lambda device: True)
        assert quick(teacher, CPU) is teacher
    assert quick(teacher, torch.device("meta")) is teacher  # in the place of a GPU
