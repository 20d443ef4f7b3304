from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgetune.errors import DeviceError, ModelFileError
from edgetune.export.onnx_file import export_onnx
from edgetune.export.tuning.runner import Runner
from edgetune.export.tuning.tasks import TuningTask, tasks_of
from edgetune.export.tuning.tune import BATCH
from edgetune.export.tvm_library import compile_tvm, host_target, registers_of, tvm_logits_of
from edgetune.export.tvm_tile import Tile
from edgetune.pipeline.tuning import optimizer_of, target_of, tune_model
from edgetune.reporter import Reporter


@pytest.fixture(scope="module")
def two_layers() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, 2, 1), nn.ReLU6(), nn.Conv2d(32, 64, 1), nn.ReLU6(), nn.Flatten(), nn.Linear(64 * 64, 10)
    ).eval()


@pytest.fixture(scope="module")
def model(two_layers: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "two.onnx"
    export_onnx(two_layers, path, channels=1, resolution=16, metadata={})
    return path


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Ctrl-C is pressed after so many batches."""
    plain = Runner.time

    def after(batches: int) -> None:
        def time(self: Runner, task: TuningTask, tiles: list[Tile]) -> list[float]:
            if self._batches == batches - 1:
                signal.raise_signal(signal.SIGINT)  # while the last of them is under way
            return plain(self, task, tiles)

        monkeypatch.setattr(Runner, "time", time)

    return after


def test_tuned_schedules_are_found_kept_and_used(
    two_layers: nn.Module, model: Path, tmp_path: Path, interrupted: Callable[[int], None]
) -> None:
    interrupted(6)
    database = tmp_path / "tuned.jsonl"
    report = tune_model(model, "host", budget_seconds=600, database=database)
    tuned = len(report.kernels)
    assert tuned in (2, 3)  # where vectors hold 16 numbers only one tile fits the last layer
    assert all(kernel.ms <= kernel.by_rule_ms for kernel in report.kernels)
    assert sum(kernel.timed for kernel in report.kernels) > tuned + BATCH
    assert sum(kernel.share for kernel in report.kernels) == pytest.approx(1)
    note = compile_tvm(model, tmp_path / "tuned.so", tvm_target=host_target(), database=database)
    several = sum(kernel.timed > 1 for kernel in report.kernels)
    assert note.startswith(f"loops of {several} of 3 kernels tuned")
    pixels = np.random.default_rng(0).random((3, 1, 16, 16), dtype=np.float32)
    with torch.no_grad():
        expected = two_layers(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(tvm_logits_of(tmp_path / "tuned.so", pixels), expected, rtol=1e-4, atol=1e-5)


def test_without_a_database_loops_are_tiled_by_rule(model: Path, tmp_path: Path) -> None:
    note = compile_tvm(model, tmp_path / "plain.so", tvm_target=host_target(), database=tmp_path / "none.jsonl")
    assert "not tuned" in note


def test_ctrl_c_keeps_what_was_found(model: Path, tmp_path: Path, interrupted: Callable[[int], None]) -> None:
    said: list[str] = []

    class Heard(Reporter):
        def say(self, text: str) -> None:
            said.append(text)

    interrupted(2)
    database = tmp_path / "tuned.jsonl"
    report = tune_model(model, "host", budget_seconds=600, database=database, reporter=Heard())
    assert not report.finished
    assert len(database.read_text().splitlines()) == 2
    assert "kept" in said[0]


def test_ctrl_c_before_the_first_timing(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgetune.cli import main

    def pressed(*arguments: Any) -> list[TuningTask]:
        signal.raise_signal(signal.SIGINT)
        return tasks_of(*arguments)

    monkeypatch.setattr("edgetune.pipeline.tuning.tasks_of", pressed)
    monkeypatch.setenv("EDGETUNE_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["edgetune", "tune", str(model)])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    assert stop.value.code == 130
    assert "stopped; nothing was timed" in said.err and said.out == ""


def test_a_budget_of_nothing_tunes_nothing(model: Path, tmp_path: Path) -> None:
    report = tune_model(model, "host", budget_seconds=0, database=tmp_path / "db")
    assert (len(report.kernels), report.untimed) == (1, len(tasks_of(model, registers_of(host_target()))) - 1)
    note = compile_tvm(model, tmp_path / "a.so", tvm_target=host_target(), database=tmp_path / "db")
    assert "not tuned" in note


def test_lines_that_are_no_schedules_are_spoken_of(model: Path, tmp_path: Path) -> None:
    class Heard(Reporter):
        def say(self, text: str) -> None:
            said.append(text)

    said: list[str] = []
    (tmp_path / "db").write_text("nonsense\n")
    tune_model(model, "host", budget_seconds=0, database=tmp_path / "db", reporter=Heard())
    assert "1 lines are no tuned schedules" in said[0]


def test_the_optimiser_finds_most_tiles_of_a_kernel(model: Path) -> None:
    task = max(tasks_of(model, registers_of(host_target())), key=lambda task: len(task.tiles))
    optimizer, found = optimizer_of(task.choices), set()
    for _ in range(100):
        for sample in optimizer.ask(8):
            tile = task.tile(sample)
            found.add(tile)
            optimizer.tell([sample], [{"ms": 1 / tile.columns} if tile else None])
    assert len(found - {None}) >= 0.9 * len(task.tiles)


def test_a_board_is_tuned_for_on_the_board_alone() -> None:
    with pytest.raises(DeviceError, match=r"tuning for rpi4 needs the board.*--runner"):
        target_of("rpi4", None)
    assert target_of("rpi4", "localhost:9090")["mcpu"] == "cortex-a72"


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(DeviceError, match="did you mean rpi4"):
        target_of("rpi44", None)


def test_not_an_onnx_file(tmp_path: Path) -> None:
    (tmp_path / "notes.onnx").write_text("no model")
    with pytest.raises(ModelFileError, match=r"notes\.onnx"):
        tune_model(tmp_path / "notes.onnx", "host", budget_seconds=1)


def test_the_report_is_json(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgetune.cli import main

    monkeypatch.setenv("EDGETUNE_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["edgetune", "tune", str(model), "--budget", "1s", "--json"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    report = json.loads(capsys.readouterr().out)
    assert report["where"] == "this host"
    assert report["gain"] >= 1
    assert (tmp_path / "tuned.jsonl").is_file()
