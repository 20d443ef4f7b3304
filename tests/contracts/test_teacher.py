"""What every teacher must hold to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgetune.distill.joined_teachers import Ensemble, Renamed
from edgetune.distill.onnx_teacher import OnnxTeacher
from edgetune.distill.teacher import Teacher, TorchTeacher
from edgetune.distill.teacher_checkpoint import build, load_teacher, save_checkpoint
from edgetune.errors import TeacherError
from edgetune.export.onnx_file import export_onnx
from tests.distill.conftest import SMALL_TEACHER, TinyNet

CLASSES = ("ant", "bee", "cat", "dog")
CHANNELS, RESOLUTION = 1, 8

Make = Callable[[nn.Module, Path], Teacher]


def from_torch(module: nn.Module, _: Path, classes: tuple[str, ...] = CLASSES) -> Teacher:
    return TorchTeacher(
        module,
        name="a module",
        classes=classes,
        channels=CHANNELS,
        resolution=RESOLUTION,
        content_hash="of a test",
        licence="CC0",
    )


def from_onnx(module: nn.Module, folder: Path) -> Teacher:
    path = folder / "teacher.onnx"
    labels = {"labels": "\n".join(CLASSES)}
    export_onnx(module, path, channels=CHANNELS, resolution=RESOLUTION, metadata=labels)
    return OnnxTeacher(path)


def from_checkpoint(_: nn.Module, folder: Path) -> Teacher:
    header = SMALL_TEACHER.model_copy(update={"classes": CLASSES, "resolution": RESOLUTION, "channels": CHANNELS})
    save_checkpoint(folder / "checkpoint", build(header), header)
    return load_teacher(folder / "checkpoint")


def renamed(module: nn.Module, folder: Path) -> Teacher:
    others = from_torch(module, folder, ("w", "x", "y", "z"))
    return Renamed(others, dict(zip(CLASSES, reversed(others.classes), strict=True)))


TEACHERS: dict[str, Make] = {
    "torch": from_torch,
    "onnx": from_onnx,
    "checkpoint": from_checkpoint,
    "ensemble": lambda module, folder: Ensemble([from_torch(module, folder), from_onnx(module, folder)]),
    "renamed": renamed,
}


@pytest.fixture(params=TEACHERS)
def teacher(request: pytest.FixtureRequest, tmp_path: Path) -> Teacher:
    return TEACHERS[request.param](TinyNet().eval(), tmp_path)


@pytest.fixture
def pixels() -> Tensor:
    return torch.rand(3, CHANNELS, RESOLUTION, RESOLUTION, generator=torch.Generator().manual_seed(0)) * 255


def test_it_says_what_it_is(teacher: Teacher) -> None:
    assert teacher.name and teacher.licence and teacher.content_hash
    assert teacher.classes == CLASSES
    assert teacher.macs > 0 and teacher.parameters > 0


def test_it_gives_a_logit_a_class_and_the_same_again(teacher: Teacher, pixels: Tensor) -> None:
    logits = teacher.logits(pixels)
    assert logits.shape == (3, len(CLASSES)) and logits.dtype == torch.float32
    assert torch.isfinite(logits).all() and not logits.requires_grad
    torch.testing.assert_close(teacher.logits(pixels), logits)
    assert teacher.to(torch.device("cpu")) is teacher


def test_a_picture_is_judged_by_itself(teacher: Teacher, pixels: Tensor) -> None:
    alone = torch.cat([teacher.logits(picture[None]) for picture in pixels])
    torch.testing.assert_close(alone, teacher.logits(pixels), rtol=1e-4, atol=1e-5)


def test_it_resizes_what_has_another_size(teacher: Teacher, pixels: Tensor) -> None:
    larger = pixels.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert teacher.logits(larger).shape == (3, len(CLASSES))


def test_pictures_in_colour_are_refused_by_one_that_takes_grey_ones(teacher: Teacher) -> None:
    with pytest.raises(TeacherError, match="channel"):
        teacher.logits(torch.zeros(1, 3, RESOLUTION, RESOLUTION))


def test_other_classes_or_another_order_are_refused(teacher: Teacher) -> None:
    teacher.check_classes(CLASSES)
    for other in (CLASSES[:3], CLASSES[::-1], ("ant", "bee", "cat", "fox")):
        with pytest.raises(TeacherError):
            teacher.check_classes(other)
