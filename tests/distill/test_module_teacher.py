"""Teachers that are torch modules of the user's own: what is checked of them, and what their hash follows."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from edgetune.distill.module_teacher import import_teacher
from edgetune.errors import TeacherError
from edgetune.nets.layers import Normalize

MODULE = "nets_of_a_test"
CODE = """
import torch
from torch import nn

class Net(nn.Module):
    classes, resolution, channels = ["ant", "bee", "cat"], 8, 1

    def __init__(self, out=3):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, out))
        self.register_buffer("offset", torch.zeros(1), persistent=False)

    def forward(self, pixels):
        return self.layers(pixels) + self.offset

class Tuple(Net):
    def forward(self, pixels):
        return (super().forward(pixels),)

class Raises(Net):
    def forward(self, pixels):
        raise ValueError("boom")

class Whole(Net):
    def forward(self, pixels):
        return super().forward(pixels).long()

class Weightless(nn.Module):
    classes, resolution, channels = ["ant", "bee", "cat"], 8, 1

    def forward(self, pixels):
        return pixels.mean((2, 3)).repeat(1, 3)

class Lazy(Net):
    def __init__(self):
        super().__init__()
        self.layers[3] = nn.LazyLinear(3)

def saying(**attributes):
    net = Net()
    for name, value in attributes.items():
        setattr(net, name, value)
    return net

net = Net()
half = Net().half()
double = Net().double()
few = Net(7)
side_text = saying(resolution="8")
side_pair = saying(resolution=(8, 8))
depth_text = saying(channels="1")
numbers = saying(classes=[0, 1, 2])
text = saying(classes="abc")
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file, in the current folder."""
    path = tmp_path / f"{MODULE}.py"
    path.write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    return path


@pytest.mark.parametrize("name", ["half", "double"])
def test_weights_of_other_kinds_become_float32(name: str, file: Path) -> None:
    logits = import_teacher(f"{MODULE}:{name}").logits(torch.rand(2, 1, 8, 8) * 255)
    assert logits.dtype == torch.float32 and logits.isfinite().all()


def test_a_module_without_weights_has_no_parameters_and_its_macs_are_counted(file: Path) -> None:
    teacher = import_teacher(f"{MODULE}:Weightless")
    assert (teacher.macs, teacher.parameters) == (0, 0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("few", r"gives torch\.float32 \(1, 7\) for 3 classes"),
        ("Tuple", r"gives a tuple .*logits, \(N, 3\)"),
        ("Raises", "cannot look at a picture: ValueError: boom"),
        ("Whole", r"gives torch\.int64"),
        ("Lazy", "its weights are not made yet"),
        ("side_text", "says '8' for its resolution"),
        ("side_pair", r"says \(8, 8\) for its resolution"),
        ("depth_text", "says '1' for its channels"),
        ("numbers", "its classes are no list of names"),
        ("text", "its classes are no list of names"),
    ],
)
def test_modules_that_are_no_teachers(name: str, message: str, file: Path) -> None:
    with pytest.raises(TeacherError, match=f"^{MODULE}:{name}: {message}"):
        import_teacher(f"{MODULE}:{name}")


def test_the_hash_follows_everything_that_decides_the_logits(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(**said: object) -> str:
        return import_teacher(f"{MODULE}:net", **said).content_hash  # type: ignore[arg-type]

    hashes = [digest(), digest(resolution=16)]
    hashes += [digest(normalize=Normalize((0.5,), (std,))) for std in (0.2290, 0.2294)]
    net: nn.Module = sys.modules[MODULE].net
    assert digest() == hashes[0]
    net.get_buffer("offset").fill_(1)  # no state dictionary has it
    hashes.append(digest())
    net.get_buffer("offset").fill_(0)
    file.write_text(CODE.replace("self.layers(pixels)", "self.layers(pixels)[:, [1, 0, 2]]"))
    hashes.append(digest())
    assert len(set(hashes)) == 6


def test_the_hash_follows_the_file_that_a_layer_is_inherited_from(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heir = "heir_of_a_test"
    (tmp_path / f"{heir}.py").write_text(f"from {MODULE} import Net\n\nclass Heir(Net):\n    pass\n")
    monkeypatch.delitem(sys.modules, heir, raising=False)
    before = import_teacher(f"{heir}:Heir").content_hash
    file.write_text(CODE + "\n# changed\n")
    assert import_teacher(f"{heir}:Heir").content_hash != before
