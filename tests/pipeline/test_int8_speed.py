"""Whether INT8 pays, as predicted for another board and as clocked for one like this machine."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgetune.agent.registry import add_agent
from edgetune.export.int8 import Quantised, quantize_onnx
from edgetune.export.onnx_file import export_onnx
from edgetune.latency.predictor import Predictor
from edgetune.nets.network import build_network
from edgetune.pipeline import int8_speed as module
from edgetune.pipeline.int8_speed import clocked_on_board, int8_speed
from edgetune.pipeline.task import Task, pixels_of
from edgetune.space.parameters import Sample
from tests.agent.conftest import running
from tests.agent.models import QUICK_REQUEST

CLOCKED = Quantised("minmax", False, 0.93, 0.93, 0.6, "clocked here")


@pytest.fixture
def sample(task: Task) -> Sample:
    return task.space.space.draw(np.random.default_rng(0))


def test_a_board_of_another_architecture_is_predicted(task: Task, sample: Sample) -> None:
    graph = task.graph(sample)
    exact, rounded = (Predictor.load("rpi4", runtime="tflite", precision=p).predict(graph) for p in ("fp32", "int8"))
    speed = int8_speed(task, sample, "tflite", CLOCKED)
    assert speed.times == pytest.approx(exact.latency_ms / rounded.latency_ms)
    assert "(rpi4, tflite-2.7.1, 4 threads, calibrated)" in speed.words
    assert CLOCKED.spoken in speed.words


def test_what_no_measurement_stands_behind_says_so(task: Task, sample: Sample) -> None:
    assert "onnxruntime, 4 threads, uncalibrated" in int8_speed(task, sample, "onnxruntime", CLOCKED).words


def test_a_board_like_this_machine_is_clocked(task: Task, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    speed = int8_speed(task, sample, "onnxruntime", CLOCKED)
    assert (speed.times, speed.words) == (0.6, CLOCKED.spoken)


@pytest.fixture
def files(task: Task, sample: Sample, tmp_path: Path) -> tuple[Path, Path]:
    exact, rounded, data = tmp_path / "model.onnx", tmp_path / "model.int8.onnx", task.dataset
    export_onnx(
        build_network(task.architecture(sample)).eval(),
        exact,
        channels=data.channels,
        resolution=data.resolution,
        metadata={},
    )
    quantize_onnx(exact, rounded, calibration=pixels_of(data.train, 16))
    return exact, rounded


def with_agent(task: Task, name: str) -> Task:
    return replace(task, config=task.config.model_copy(update={"agent": name}))


def test_a_board_at_hand_decides(
    task: Task, sample: Sample, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGETUNE_AGENTS", str(tmp_path / "agents.json"))
    monkeypatch.setattr(module, "Request", lambda threads: replace(QUICK_REQUEST, threads=1))
    told: list[str] = []
    with running(tmp_path / "agent") as here:
        add_agent(here.agent)
        searched = with_agent(task, here.agent.name)
        assert clocked_on_board(searched, *files, CLOCKED, told.append) == CLOCKED  # this machine is no rpi4
        assert told == ["warning: no board clocked INT8 undisturbed, so that a prediction decides on it"]
        monkeypatch.setattr(module, "teaches", lambda found, profile: found.board.machine == platform.machine())
        seen = clocked_on_board(searched, *files, CLOCKED, told.append)
    assert len(told) == 1
    speed = int8_speed(task, sample, "onnxruntime", seen)
    assert 0.05 < speed.times < 20
    assert f"(measured on {here.agent.name}, onnxruntime" in speed.words


def test_where_no_board_answers_the_prediction_decides(
    task: Task, files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGETUNE_AGENTS", str(tmp_path / "agents.json"))
    told: list[str] = []
    assert clocked_on_board(task, *files, CLOCKED, told.append) == CLOCKED
    assert not told
    assert clocked_on_board(with_agent(task, "nobody"), *files, CLOCKED, told.append) == CLOCKED
    assert "not clocked on a board" in told[0]
