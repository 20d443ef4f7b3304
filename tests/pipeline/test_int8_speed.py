"""Whether INT8 pays, as predicted for another board and as clocked for one like this machine."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from edgetune.config import SearchConfig
from edgetune.data.load import load_dataset
from edgetune.export.int8 import Quantised
from edgetune.latency.predictor import Predictor
from edgetune.pipeline.int8_speed import int8_speed
from edgetune.pipeline.task import Task
from edgetune.space.parameters import Sample

CLOCKED = Quantised("minmax", False, 0.93, 0.93, 0.6, "clocked here")


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(SearchConfig(data="digits"), load_dataset("digits"), Predictor.load("rpi4"))


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
