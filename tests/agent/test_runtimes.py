"""The runtimes' seam: what is installed is found, what a file does not say is asked for."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import numpy as np
import pytest

from edgetune.agent.runtimes import RUNTIMES, aligned, find_runtime, fitting, installed_runtimes, made_up
from edgetune.errors import DeviceError, MissingDependencyError, ModelFileError


def test_versions_are_those_of_the_packages() -> None:
    for name, version in installed_runtimes().items():
        assert version == importlib.metadata.version(RUNTIMES[name].package)
    assert "onnxruntime" in installed_runtimes()


def test_an_unknown_runtime_gets_the_nearest() -> None:
    with pytest.raises(DeviceError, match="did you mean onnxruntime"):
        find_runtime("onnxruntimes")


def test_a_runtime_that_is_not_installed_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RUNTIMES["litert"], "package", "no-such-package-here")
    assert not RUNTIMES["litert"].installed()
    with pytest.raises(MissingDependencyError, match="pip install no-such-package-here"):
        RUNTIMES["litert"].version()


def test_pictures_have_the_shape_and_the_kind_that_is_asked_for() -> None:
    picture = made_up(["batch", 3, 8, 8], "float32")
    assert picture.shape == (1, 3, 8, 8)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() < picture.max() <= 255
    assert set(np.unique(made_up([1, 100], "int64"))) == {0, 1}
    np.testing.assert_array_equal(picture, made_up([None, 3, 8, 8], "float32"))


@pytest.mark.parametrize(("shape", "kind"), [([1, "height"], "float32"), ([1, 0], "float32"), ([1, 3], "")])
def test_an_input_without_a_size_is_refused(shape: list[object], kind: str) -> None:
    with pytest.raises(ModelFileError):
        made_up(shape, kind)


def test_a_shape_that_is_asked_for_must_fit_the_files() -> None:
    assert fitting((1, 3, 32, 32), ["N", 3, "H", "W"]) == (1, 3, 32, 32)
    for other in ((1, 4, 32, 32), (1, 3, 32)):
        with pytest.raises(ModelFileError, match="its input is"):
            fitting(other, ["N", 3, "H", "W"])


def test_a_tvm_library_needs_the_shape(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="input shape"):
        RUNTIMES["tvm"].load(tmp_path / "x.so", 1)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_aligned_copies_are_aligned(size: int) -> None:
    array = np.arange(size, dtype=np.float32)
    copy = aligned(array)
    assert copy.ctypes.data % 64 == 0
    np.testing.assert_array_equal(copy, array)
