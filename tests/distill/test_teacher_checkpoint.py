"""Teachers on disk, and everything that may be wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from edgetune.distill.teacher_checkpoint import (
    ARCHITECTURES,
    HEADER,
    WEIGHTS,
    CheckpointTeacher,
    build,
    load_checkpoint,
    load_teacher,
    save_checkpoint,
)
from edgetune.errors import TeacherError

from .conftest import SMALL_TEACHER as SMALL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "teacher", build(SMALL), SMALL)
    return tmp_path / "teacher"


def change_header(folder: Path, **changes: object) -> None:
    header = json.loads((folder / HEADER).read_text()) | changes
    (folder / HEADER).write_text(json.dumps({key: value for key, value in header.items() if value is not None}))


def test_a_teacher_that_is_only_looked_with_is_folded_and_otherwise_the_same(folder: Path) -> None:
    trained, folded = load_checkpoint(folder), load_teacher(folder)
    assert isinstance(folded, CheckpointTeacher)
    assert sum(weight.numel() for weight in folded.module.parameters()) < trained.parameters
    about = (trained.content_hash, trained.macs, trained.parameters, trained.classes)
    assert (folded.content_hash, folded.macs, folded.parameters, folded.classes) == about
    pixels = torch.rand(4, SMALL.channels, SMALL.resolution, SMALL.resolution) * 255
    torch.testing.assert_close(folded.logits(pixels), trained.logits(pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_round_trip(architecture: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    colours = {"channels": 3, "mean": (0.3, 0.4, 0.5), "std": (0.2, 0.2, 0.3), "resolution": 32}
    header = SMALL.model_copy(update={"architecture": architecture, **colours})
    module = build(header).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    save_checkpoint(tmp_path / "teacher", module, header)
    teacher = load_teacher(tmp_path / "teacher")
    assert isinstance(teacher, CheckpointTeacher) and teacher.header == header
    assert (teacher.classes, teacher.licence, teacher.name) == (header.classes, "CC-BY-4.0", "trained in a test")
    pixels = torch.rand(2, 3, 32, 32) * 255
    torch.testing.assert_close(teacher.logits(pixels), module.eval()(pixels).detach(), rtol=1e-4, atol=1e-5)
    assert sorted(file.name for file in (tmp_path / "teacher").iterdir()) == [HEADER, WEIGHTS]
    assert [file.name for file in tmp_path.iterdir()] == ["teacher"]


def test_the_hash_follows_weights_and_header(folder: Path) -> None:
    first = load_checkpoint(folder).content_hash
    assert len(first) == 16 and load_checkpoint(folder).content_hash == first
    change_header(folder, licence="MIT")
    second = load_checkpoint(folder).content_hash
    tensors = load_file(folder / WEIGHTS)
    tensors["classifier.bias"] += 1
    save_file(tensors, folder / WEIGHTS)
    assert len({first, second, load_checkpoint(folder).content_hash}) == 3


def test_a_checkpoint_is_not_overwritten(folder: Path) -> None:
    before = (folder / WEIGHTS).read_bytes()
    with pytest.raises(OSError, match=r"exist|not empty"):
        save_checkpoint(folder, build(SMALL), SMALL)
    assert (folder / WEIGHTS).read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "residul"}, r"unknown teacher architecture 'residul' \(did you mean residual\?\)"),
        ({"temperature": 3}, "not a teacher's header"),
        ({"format": 2}, "not a teacher's header"),
        ({"classes": None}, "not a teacher's header"),
        ({"resolution": 0}, "not a teacher's header"),
        ({"licence": None}, "not a teacher's header"),
    ],
)
def test_headers_that_are_refused(folder: Path, changes: dict[str, object], message: str) -> None:
    change_header(folder, **changes)
    with pytest.raises(TeacherError, match=f"{HEADER}: {message}"):
        load_teacher(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe{}"])
def test_a_header_that_is_no_json_object_is_refused(folder: Path, content: bytes) -> None:
    (folder / HEADER).write_bytes(content)
    with pytest.raises(TeacherError, match=f"{HEADER}: not a teacher's header"):
        load_teacher(folder)


@pytest.mark.parametrize(
    ("changes", "tensor"),
    [
        ({"classes": ["ant", "bee"]}, "classifier.weight"),  # another number of classes than the weights have
        ({"width": 8}, r"features\.0"),
        ({"mean": [0.3, 0.3], "std": [0.2, 0.2]}, "normalize.mean"),
        ({"channels": 3}, r"features\.0"),
        ({"resolution": 224}, r"features\.\d"),  # a deeper stem
    ],
)
def test_weights_that_are_not_the_headers_are_refused_by_name(
    folder: Path, changes: dict[str, object], tensor: str
) -> None:
    change_header(folder, **changes)
    with pytest.raises(TeacherError, match=rf"{WEIGHTS}: the weights cannot be read: .*{tensor}") as caught:
        load_teacher(folder)
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


def test_missing_and_foreign_tensors_are_refused(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    bias = tensors.pop("classifier.bias")
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(TeacherError, match=r"classifier\.bias"):
        load_teacher(folder)
    save_file(tensors | {"classifier.bias": bias, "extra": bias.clone()}, folder / WEIGHTS)
    with pytest.raises(TeacherError, match="extra"):
        load_teacher(folder)


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "pickle", "absent"])
def test_damaged_weights_are_refused(folder: Path, damage: str) -> None:
    file = folder / WEIGHTS
    if damage == "absent":
        file.unlink()
    elif damage == "pickle":
        torch.save({"classifier.bias": torch.zeros(3)}, file)
    else:
        content = {"empty": b"", "cut": file.read_bytes()[:-100], "garbage": b"\x00\xff" * 500}[damage]
        file.write_bytes(content)
    with pytest.raises(TeacherError, match=f"{WEIGHTS}: the weights cannot be read"):
        load_teacher(folder)


def test_a_place_without_a_teacher_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in (tmp_path, tmp_path / "absent", file):
        with pytest.raises(TeacherError, match=r"neither teacher\.json nor a config\.json"):
            load_teacher(path)
    with pytest.raises(TeacherError, match="absent: no such folder"):
        load_checkpoint(tmp_path / "absent")
    for path in (tmp_path, file):
        with pytest.raises(TeacherError, match="not a checkpoint of edgetune's own"):
            load_checkpoint(path)


def test_the_classes_must_be_the_data_sets(folder: Path) -> None:
    teacher = load_teacher(folder)
    teacher.check_classes(["ant", "bee", "cat"])
    with pytest.raises(TeacherError, match=r"knows 3 classes, the data set has 2 .*--init-teacher"):
        teacher.check_classes(["ant", "bee"])
    with pytest.raises(TeacherError, match="class 1 is 'bee' to the teacher and 'cat' in the data set"):
        teacher.check_classes(["ant", "cat", "bee"])
