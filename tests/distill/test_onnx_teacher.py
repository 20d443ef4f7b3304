"""Teachers that are ONNX files: what they say is what the torch module said that they were exported from."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from edgetune.data.pictures import Dataset
from edgetune.distill.onnx_teacher import OnnxTeacher
from edgetune.distill.teacher_checkpoint import load_teacher
from edgetune.distill.teacher_outputs import teacher_outputs
from edgetune.errors import EdgetuneError, ModelFileError, TeacherError
from edgetune.export.onnx_file import export_onnx
from edgetune.nets.layers import Normalize
from tests.distill.conftest import MakeNetwork, TinyNet

CLASSES = ("ant", "bee", "cat", "dog")


class Uint8(nn.Module):
    """Takes bytes."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.module(pixels.float())


def export(
    module: nn.Module, path: Path, shape: tuple[int, ...], *, batch: bool = False, dtype: torch.dtype = torch.float32
) -> Path:
    """As anybody exports: without metadata, the batch open or 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter is called deprecated
        torch.onnx.export(
            module.eval(),
            (torch.zeros(1, *shape, dtype=dtype),),
            str(path),
            dynamo=False,
            input_names=["in"],
            output_names=["out"],
            dynamic_axes={"in": {0: "n"}, "out": {0: "n"}} if batch else None,
        )
    return path


@pytest.fixture
def module(make_network: MakeNetwork) -> TinyNet:
    return make_network().eval()


@pytest.fixture
def ours(module: nn.Module, tmp_path: Path) -> Path:
    export_onnx(module, tmp_path / "t.onnx", channels=1, resolution=8, metadata={"labels": "\n".join(CLASSES)})
    return tmp_path / "t.onnx"


def test_our_own_export_needs_no_words(module: nn.Module, ours: Path) -> None:
    teacher = load_teacher(ours)
    pixels = torch.rand(5, 1, 8, 8) * 255
    torch.testing.assert_close(teacher.logits(pixels), module(pixels), rtol=1e-4, atol=1e-4)
    assert (teacher.classes, teacher.name) == (CLASSES, "ONNX (t.onnx)")
    assert teacher.macs == 4 * 4 * 9 * 8 + 2 * 2 * 9 * 8 * 8 + 32 * 4
    assert teacher.parameters == 9 * 8 + 8 + 9 * 8 * 8 + 8 + 32 * 4 + 4
    assert teacher.to(torch.device("cpu")) is teacher


@pytest.mark.parametrize("batch", [False, True], ids=["one by one", "open batch"])
def test_a_network_for_normalised_pixels(batch: bool, make_network: Callable[..., nn.Module], tmp_path: Path) -> None:
    module = make_network(channels=3)
    module.normalize = nn.Identity()
    normalize = Normalize((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    path = export(module, tmp_path / "t.onnx", (3, 8, 8), batch=batch)
    teacher = OnnxTeacher(path, classes=CLASSES, normalize=normalize)
    pixels = torch.rand(5, 3, 8, 8) * 255
    torch.testing.assert_close(teacher.logits(pixels), module(normalize(pixels)), rtol=1e-4, atol=1e-4)
    assert teacher.content_hash != OnnxTeacher(path, classes=CLASSES).content_hash


def test_pictures_of_another_size_are_made_to_fit(module: nn.Module, ours: Path) -> None:
    pixels = torch.rand(2, 1, 20, 20) * 255
    small = nn.functional.interpolate(pixels, size=(8, 8), mode="bilinear", antialias=True)
    torch.testing.assert_close(load_teacher(ours).logits(pixels), module(small), rtol=1e-4, atol=1e-4)
    with pytest.raises(TeacherError, match=r"1 channel.* 3"):
        load_teacher(ours).logits(torch.rand(2, 3, 8, 8))


def test_bytes_are_given_as_bytes(module: nn.Module, tmp_path: Path) -> None:
    path = export(Uint8(module), tmp_path / "t.onnx", (1, 8, 8), dtype=torch.uint8)
    pixels = torch.randint(0, 256, (3, 1, 8, 8)).float()
    teacher = OnnxTeacher(path, classes=CLASSES)
    torch.testing.assert_close(teacher.logits(pixels), module(pixels), rtol=1e-4, atol=1e-4)


def test_bytes_are_not_normalised(module: nn.Module, tmp_path: Path) -> None:
    path = export(Uint8(module), tmp_path / "t.onnx", (1, 8, 8), dtype=torch.uint8)
    with pytest.raises(TeacherError, match="it takes bytes"):
        OnnxTeacher(path, classes=CLASSES, normalize=Normalize((0.5,), (0.2,)))


def test_a_mean_a_channel_is_wanted(ours: Path) -> None:
    with pytest.raises(TeacherError, match=r"2 value\(s\) of mean and std for pictures of 1 channel"):
        OnnxTeacher(ours, normalize=Normalize((0.5, 0.4), (0.2, 0.2)))


@pytest.mark.parametrize(
    ("shape", "classes", "message"),
    [
        ((1, 8, 8), None, "does not say what its classes are"),
        ((1, 8, 8), ("a", "b"), r"it gives \(1, 4\) for 2 classes"),
        ((3, 8, 12), CLASSES, "it takes 3×8×12"),
        ((2, 8, 8), CLASSES, "it takes 2×8×8"),
    ],
)
def test_files_that_are_no_teachers(
    shape: tuple[int, ...],
    classes: tuple[str, ...] | None,
    message: str,
    make_network: Callable[..., nn.Module],
    tmp_path: Path,
) -> None:
    module = nn.Sequential(nn.Conv2d(shape[0], 2, 3), nn.Flatten(), nn.LazyLinear(4))
    module(torch.zeros(1, *shape))
    with pytest.raises(TeacherError, match=message):
        OnnxTeacher(export(module, tmp_path / "t.onnx", shape), classes=classes)


@pytest.mark.parametrize("content", [b"", b"not onnx at all" * 9, None])
def test_files_that_are_no_onnx(content: bytes | None, ours: Path) -> None:
    ours.unlink() if content is None else ours.write_bytes(content)
    with pytest.raises(ModelFileError):
        load_teacher(ours)


def test_a_file_cut_short_is_refused(ours: Path) -> None:
    ours.write_bytes(ours.read_bytes()[:-200])
    with pytest.raises(EdgetuneError):
        load_teacher(ours)


def test_a_teacher_that_gives_nan_is_refused(module: TinyNet, tmp_path: Path, dataset: Dataset) -> None:
    with torch.no_grad():
        module.classifier.bias[0] = float("nan")
    export_onnx(module, tmp_path / "t.onnx", channels=1, resolution=8, metadata={"labels": "\n".join(CLASSES)})
    teacher = load_teacher(tmp_path / "t.onnx")
    with pytest.raises(TeacherError, match="not finite"):
        teacher_outputs(teacher, dataset.train, key="k", flip=False, cache=tmp_path, device=torch.device("cpu"))


def test_the_hash_follows_the_file_and_its_labels(ours: Path, module: TinyNet) -> None:
    hashes = [load_teacher(ours).content_hash, OnnxTeacher(ours, classes=["a", "b", "c", "d"]).content_hash]
    with torch.no_grad():
        module.classifier.bias.add_(1)
    export_onnx(module, ours, channels=1, resolution=8, metadata={"labels": "\n".join(CLASSES)})
    hashes.append(load_teacher(ours).content_hash)
    assert len(set(hashes)) == 3
    assert load_teacher(ours).content_hash == hashes[2]


def test_the_hash_follows_weights_in_a_file_beside_it(ours: Path) -> None:
    onnx.save(onnx.load(ours), ours, save_as_external_data=True, location="weights.bin", size_threshold=0)
    before = load_teacher(ours).content_hash
    weights = ours.with_name("weights.bin")
    weights.write_bytes(bytes(len(weights.read_bytes())))
    assert load_teacher(ours).content_hash != before


def test_the_hash_follows_the_normalisation_to_the_last_digit(ours: Path) -> None:
    hashes = {OnnxTeacher(ours, normalize=Normalize((0.5,), (std,))).content_hash for std in (0.2290, 0.2294)}
    assert len(hashes) == 2
