"""teacher.toml, modules by import path, ensembles, classes under other names."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from edgetune.data.pictures import Dataset
from edgetune.distill.teacher import Teacher
from edgetune.distill.teacher_checkpoint import build, load_teacher, save_checkpoint
from edgetune.distill.teacher_outputs import teacher_outputs
from edgetune.errors import TeacherError
from edgetune.export.onnx_file import export_onnx

from .conftest import SMALL_TEACHER

HEADER = SMALL_TEACHER.model_copy(update={"source": ""})
OWN = """
import torch
from torch import nn

class Own(nn.Module):
    classes, resolution, channels = ("ant", "bee", "cat"), 8, 1

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 3))

    def forward(self, pixels):
        return self.layers(pixels)

ready = Own()
number = 7

def bare():
    return Own().layers

def broken():
    raise ValueError("no weights here")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two checkpoints, an ONNX file, and a module of the user's own in the current folder."""
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_checkpoint(tmp_path / f"c{seed}", build(HEADER), HEADER)
    (tmp_path / "mine_of_a_test.py").write_text(OWN)
    labels = {"labels": "\n".join(HEADER.classes)}
    export_onnx(build(HEADER), tmp_path / "t.onnx", channels=1, resolution=8, metadata=labels)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Callable[[str], Teacher]:
    def written(text: str) -> Teacher:
        (folder / "teacher.toml").write_text(text)
        return load_teacher(folder / "teacher.toml")

    return written


Write = Callable[[str], Teacher]
PIXELS = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 255


@pytest.mark.parametrize("name", ["ready", "Own"])
def test_a_module_by_its_import_path(name: str, folder: Path) -> None:
    teacher = load_teacher(Path(f"mine_of_a_test:{name}"))
    ready = sys.modules["mine_of_a_test"].ready
    assert (teacher.classes, teacher.name) == (("ant", "bee", "cat"), f"mine_of_a_test:{name}")
    assert torch.equal(teacher.logits(PIXELS), ready(PIXELS))


def test_what_a_module_does_not_say_is_said_beside_it(write: Write) -> None:
    teacher = write(
        'teacher = "mine_of_a_test:bare"\nlabels = ["x", "y", "z"]\nresolution = 8\nchannels = 1\n'
        'mean = [0.5]\nstd = [0.25]\nlicence = "MIT"'
    )
    own = load_teacher(Path("mine_of_a_test:ready"))
    torch.testing.assert_close(teacher.logits(PIXELS), own.logits((PIXELS / 255 - 0.5) / 0.25))
    assert (teacher.classes, teacher.licence) == (("x", "y", "z"), "MIT")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("mine_of_a_test:number", "cannot be imported: TypeError"),
        ("mine_of_a_test:nothing", "cannot be imported: AttributeError"),
        ("mine_of_a_test:broken", "no weights here"),
        ("no_such_module:x", "ModuleNotFoundError"),
        ("mine_of_a_test:bare", "does not say its classes"),
        ("builtins:dict", "gives a dict"),
    ],
)
def test_import_paths_that_lead_nowhere(path: str, message: str, folder: Path) -> None:
    with pytest.raises(TeacherError, match=message):
        load_teacher(Path(path))


def test_an_ensemble_gives_the_mean_of_the_probabilities(write: Write, folder: Path) -> None:
    members = [load_teacher(folder / "c0"), load_teacher(folder / "c1"), load_teacher(Path("mine_of_a_test:ready"))]
    teacher = write('teacher = ["c0", "c1", "mine_of_a_test:ready"]')
    mean = sum(member.logits(PIXELS).double().softmax(1) for member in members) / 3
    torch.testing.assert_close(teacher.logits(PIXELS).double().softmax(1), mean, rtol=1e-4, atol=1e-6)
    assert teacher.macs == sum(member.macs for member in members)
    assert teacher.parameters == sum(member.parameters for member in members)
    assert teacher.licence == "CC-BY-4.0; not stated"
    assert teacher.to(torch.device("cpu")) is teacher


def test_members_must_know_the_same_classes(write: Write, folder: Path) -> None:
    save_checkpoint(folder / "c2", build(HEADER), HEADER.model_copy(update={"classes": ("ant", "cat", "bee")}))
    with pytest.raises(TeacherError, match="class 1 is 'cat' to the teacher and 'bee'"):
        write('teacher = ["c0", "c2"]')


def test_classes_may_be_picked_and_named_anew(write: Write, folder: Path) -> None:
    teacher = write('teacher = "c0"\n[classes]\nKatze = "cat"\nAmeise = "ant"')
    teacher.check_classes(["Katze", "Ameise"])
    assert torch.equal(teacher.logits(PIXELS), load_teacher(folder / "c0").logits(PIXELS)[:, [2, 0]])
    other = write('teacher = "c0"\n[classes]\nKatze = "ant"\nAmeise = "cat"')
    assert other.content_hash != teacher.content_hash != load_teacher(folder / "c0").content_hash
    assert (teacher.macs, teacher.parameters) == (
        load_teacher(folder / "c0").macs,
        load_teacher(folder / "c0").parameters,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('teacher = "c0"\n[classes]\na = "bea"', "knows no class 'bea'.*did you mean bee"),
        ('teacher = "c0"\n[classes]\na = "bee"\nb = "bee"', "two classes have the same"),
        ('teacher = "c9"', r"neither teacher\.json"),
        ('teacher = ["c0"]', "teacher"),
        ('teacher = "c0"\nlabel = ["a"]', "label: unknown key.*did you mean labels"),
        ('teacher = "c0"\nmean = [0.5]\nstd = [0.2]', "mean, std: only a single ONNX file or module"),
        ('teacher = ["c0", "c1"]\nresolution = 8\nlicence = "MIT"', "licence, resolution: only a single"),
        ('teacher = "teacher.toml"', "it names itself"),
        ('teacher = ["c0", "teacher.toml"]', "it names itself"),
        ('teacher = "mine_of_a_test:ready"\nmean = [0.5, 0.5, 0.5]\nstd = [0.2, 0.2, 0.2]', r"3 value\(s\) of mean"),
        ('teacher = "mine_of_a_test:ready"\nmean = [0.5, 0.5]\nstd = [0.2]', "2 values of mean and 1 of std"),
        ('teacher = "mine_of_a_test:ready"\nmean = []\nstd = []', "mean"),
        ('teacher = "mine_of_a_test:ready"\nmean = [123.0]\nstd = [58.0]', "mean: Input .*less than or equal to 1"),
        ('teacher = "mine_of_a_test:ready"\nmean = [nan]\nstd = [0.2]', "mean: Input"),
        ('teacher = "mine_of_a_test:ready"\nmean = [0.5]\nstd = [inf]', "std: Input .*finite"),
        ('teacher = "t.onnx"\nresolution = 16', r"resolution: 16, and t\.onnx takes 8.*leave it out"),
        ('teacher = "t.onnx"\nchannels = 3', r"channels: 3, and t\.onnx takes 1"),
        ('teacher = "mine_of_a_test:ready"\nmean = [0.5]', "mean without std"),
        ("teacher = ", "cannot be read"),
        ("", "teacher"),
    ],
)
def test_files_that_describe_no_teacher(text: str, message: str, write: Write) -> None:
    with pytest.raises(TeacherError, match=message):
        write(text)


def test_their_outputs_are_cached_like_any_teachers(write: Write, dataset: Dataset, tmp_path: Path) -> None:
    teacher = write('teacher = ["c0", "mine_of_a_test:ready"]')
    where = {"key": "k", "flip": True, "cache": tmp_path, "device": torch.device("cpu")}
    outputs = teacher_outputs(teacher, dataset.train, **where)  # type: ignore[arg-type]
    assert outputs.shape == (256, 3) and len(list((tmp_path / "teacher-outputs").iterdir())) == 1
    nn.init.constant_(teacher.members[1].module.layers[2].weight, float("nan"))  # type: ignore[attr-defined]
    with pytest.raises(TeacherError, match="not finite"):
        teacher_outputs(teacher, dataset.train, **(where | {"key": "other"}))  # type: ignore[arg-type]
