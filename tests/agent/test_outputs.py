"""What a network answers to the host's pictures: right, bounded, and nothing of them is ever run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from edgetune.agent.measure import measure
from edgetune.agent.outputs import MOST_PICTURES, MOST_VALUES, outputs_of
from edgetune.errors import MeasurementError, ModelFileError
from tests.agent.conftest import Running
from tests.agent.models import QUICK_REQUEST, make_model


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    path = tmp_path / "pictures.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16)).astype(np.float32))
    return path


def answers_here(model: Path, pictures: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.stack([session.run(None, {"x": picture[None]})[0].ravel() for picture in np.load(pictures)])


def test_outputs_come_with_the_measurement(model: Path, pictures: Path) -> None:
    found = measure(model, replace(QUICK_REQUEST, pictures=pictures))
    expected = answers_here(model, pictures)
    np.testing.assert_allclose(found.job.outputs, expected, atol=1e-5 * np.abs(expected).max())
    assert measure(model, QUICK_REQUEST).job.outputs == ()


def test_pictures_travel_to_an_agent_and_outputs_back(here: Running, model: Path, pictures: Path) -> None:
    with here.client() as client:
        found = client.measure(model, replace(QUICK_REQUEST, pictures=pictures))
        expected = answers_here(model, pictures)
        np.testing.assert_allclose(found.job.outputs, expected, atol=1e-5 * np.abs(expected).max())
        assert client.measure(model, QUICK_REQUEST).job.outputs == ()
        assert not client.board().native


@pytest.mark.parametrize(
    "wrong",
    [
        lambda path: path.write_bytes(b"no pictures"),
        lambda path: np.save(path, np.array([print], object)),
        lambda path: np.save(path, np.zeros((1, 3, 16, 16))),
        lambda path: np.save(path, np.zeros((3, 16, 16), np.float32)),
        lambda path: np.save(path, np.zeros((MOST_PICTURES + 1, 3, 16, 16), np.float32)),
        lambda path: np.save(path, np.zeros((0, 3, 16, 16), np.float32)),
    ],
    ids=["text", "objects", "float64", "three axes", "too many", "none"],
)
def test_other_files_are_refused(wrong: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "pictures.npy"
    wrong(path)
    with pytest.raises(ModelFileError, match="picture"):
        outputs_of(lambda picture=None: picture, path)


def test_pictures_of_another_size_cost_the_job(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "pictures.npy", np.zeros((1, 3, 8, 9, 1), np.float32)[..., 0].repeat(2, 1))
    with pytest.raises(MeasurementError) as error:
        measure(model, replace(QUICK_REQUEST, pictures=tmp_path / "pictures.npy"))
    assert error.value.code == "model_failed"


def test_large_outputs_and_values_that_are_no_numbers_are_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="more than"):
        outputs_of(lambda picture=None: np.zeros(MOST_VALUES // 2), pictures)
    logarithm = make_model([onnx.helper.make_node("Log", ["x"], ["y"])], ["N", 3, 16, 16], "y")
    onnx.save(logarithm, tmp_path / "model.onnx")
    np.save(pictures, -np.ones((1, 3, 16, 16), np.float32))
    with pytest.raises(MeasurementError, match="no numbers"):
        measure(tmp_path / "model.onnx", replace(QUICK_REQUEST, pictures=pictures))
