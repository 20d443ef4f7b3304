"""Measurements on this machine, each in its own process; models that misbehave cost one job."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import onnx
import onnxruntime
import pytest

from edgetune.agent import measure as measuring
from edgetune.agent.board import BoardState
from edgetune.agent.measure import Limits, Request, cool_down, measure, sha256_of
from edgetune.agent.measurement import Measurement
from edgetune.agent.runtimes import LiteRt
from edgetune.errors import MeasurementError, MissingDependencyError, ModelFileError
from tests.agent.models import QUICK_REQUEST, endless, greedy


def test_says_everything_that_the_latency_depends_on(model: Path) -> None:
    found = measure(model, QUICK_REQUEST)
    assert found.kind == "measured"
    assert found.model_sha256 == sha256_of(model)
    assert (found.job.runtime, found.job.runtime_version) == ("onnxruntime", onnxruntime.__version__)
    assert (found.job.precision, found.job.threads) == ("fp32", 1)
    assert found.job.timing.runs >= 10
    assert found.job.timing.min_ms <= found.latency_ms <= found.job.timing.p90_ms <= found.job.timing.p99_ms
    assert found.job.load_ms > 0
    assert 20e6 < found.job.peak_memory_bytes < 1e9
    assert len(found.job.cores) == 1
    assert found.board.cores == os.cpu_count()
    assert f"{found.latency_ms:.4g} ms" in str(found)


def test_threads_are_the_models(model: Path) -> None:
    found = measure(model, replace(QUICK_REQUEST, threads=2))
    assert found.job.threads == 2
    assert len(found.job.cores) in (0, 2)  # none where this process may use one only


def refusal(model: onnx.ModelProto, folder: Path, seconds: float = 60) -> MeasurementError:
    path = folder / "model.onnx"
    onnx.save(model, path)
    request = replace(QUICK_REQUEST, limits=Limits(seconds, memory_bytes=2**31))
    with pytest.raises(MeasurementError) as error:
        measure(path, request)
    return error.value


def test_an_endless_model_is_ended(tmp_path: Path) -> None:
    began = time.monotonic()
    assert refusal(endless(), tmp_path, seconds=3).code == "out_of_time"
    assert time.monotonic() - began < 20


def test_a_model_that_eats_memory_gets_no_more(tmp_path: Path) -> None:
    assert refusal(greedy(), tmp_path).code == "out_of_memory"


def test_a_killed_job_is_told_and_the_next_one_runs(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = measuring._wire

    def kill_soon(path: Path, request: Request) -> bytes:
        threading.Timer(0.3, lambda: os.kill(children()[0], signal.SIGKILL)).start()
        return asked(path, request)

    slow = replace(QUICK_REQUEST, protocol=replace(QUICK_REQUEST.protocol, min_seconds=10, max_seconds=20))
    monkeypatch.setattr(measuring, "_wire", kill_soon)
    with pytest.raises(MeasurementError, match="SIGKILL") as error:
        measure(model, slow)
    assert error.value.code == "crashed"
    monkeypatch.undo()
    assert measure(model, QUICK_REQUEST).latency_ms > 0


def children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()] or [
        int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()
    ]


def test_a_cancelled_measurement_ends_at_once(tmp_path: Path) -> None:
    path = tmp_path / "endless.onnx"
    onnx.save(endless(), path)
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()
    with pytest.raises(MeasurementError) as error:
        measure(path, QUICK_REQUEST, cancelled=stop)
    assert error.value.code == "cancelled"
    assert time.monotonic() - began < 10


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"nowhere\.onnx"):
        measure(tmp_path / "nowhere.onnx")


def test_a_missing_runtime_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiteRt, "package", "a-package-that-is-not-there")
    with pytest.raises(MissingDependencyError, match="litert is not installed"):
        LiteRt.version()


def test_a_date_that_jumps_does_not_matter(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: -1e9)
    assert 0 < measure(model, QUICK_REQUEST).latency_ms < 1000


def test_a_disturbed_measurement_is_repeated_after_cooling_down_then_marked(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hot = BoardState(throttled=("throttled",))
    states = iter([hot] * 100)
    waited: list[float] = []
    monkeypatch.setattr(measuring, "read_state", lambda: next(states))
    monkeypatch.setattr(measuring, "cool_down", lambda seconds, stop: waited.append(seconds))
    found = measure(model, replace(QUICK_REQUEST, attempts=2, cooldown_seconds=7))
    assert waited == [7]
    assert found.attempts == 2
    assert "throttled" in found.marks
    assert not found.steady


def test_a_second_try_that_finds_no_time_leaves_the_first(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other end of it is the model's, and told."""
    known = replace(measure(model, QUICK_REQUEST), marks=("loaded",))

    def with_a_second_try_that_ends(code: str) -> Measurement:
        tries: Iterator[Measurement | MeasurementError] = iter([known, MeasurementError("ended", code=code)])

        def try_once(*_: object) -> Measurement:
            found = next(tries)
            if isinstance(found, MeasurementError):
                raise found
            return found

        monkeypatch.setattr(measuring, "_try", try_once)
        return measure(model, replace(QUICK_REQUEST, attempts=3, cooldown_seconds=0))

    assert with_a_second_try_that_ends("out_of_time") == replace(known, attempts=2)
    with pytest.raises(MeasurementError, match="ended"):
        with_a_second_try_that_ends("crashed")


def test_cooling_down_ends_when_the_board_is_calm_or_time_is_up() -> None:
    looks: list[bool] = [True, True, False]
    cool_down(0.01, threading.Event(), disturbed=lambda: bool(looks) and looks.pop(0))
    began = time.monotonic()
    cool_down(0.05, threading.Event(), disturbed=lambda: True)
    assert 0.05 <= time.monotonic() - began < 5


def test_a_measurement_leaves_nothing_in_the_users_home(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As onnxruntime's telemetry does, where it is on: a database of what is to be sent."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert measure(model, QUICK_REQUEST).latency_ms > 0
    assert not list(tmp_path.rglob("*"))
