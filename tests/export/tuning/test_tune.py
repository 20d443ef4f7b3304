"""What the tuner does with times, on times that are made up; the runner's own are in test_runner.py."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from edgetune.export.tuning.database import read_database
from edgetune.export.tuning.runner import Runner
from edgetune.export.tuning.tasks import TuningTask, tasks_of
from edgetune.export.tuning.tune import LIGHT, Tuner
from edgetune.export.tvm_library import registers_of
from edgetune.export.tvm_tile import Tile
from edgetune.space.parameters import Value

PI = {"kind": "llvm", "mtriple": "aarch64-linux-gnu", "mcpu": "cortex-a72", "mattr": ["+neon"]}


@pytest.fixture(scope="module")
def tasks(hswish_onnx: Path) -> list[TuningTask]:
    return tasks_of(hswish_onnx, registers_of(PI))


class InOrder:
    """Proposes every combination of the choices, and remembers what it was told."""

    def __init__(self, choices: Mapping[str, Sequence[Value]]) -> None:
        self.left = [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
        self.told: list[tuple[Mapping[str, Value], Mapping[str, float] | None]] = []

    def ask(self, n: int = 1) -> list[dict[str, Value]]:
        batch, self.left = self.left[:n], self.left[n:]
        return batch

    def tell(self, samples: Sequence[Mapping[str, Value]], values: Sequence[Mapping[str, float] | None]) -> None:
        self.told += zip(samples, values, strict=True)


class MadeUp(Runner):
    """A tile takes as long as its kernel's multiply-accumulates, less for more columns; fails when told to."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.target, self.fail_after, self.batches = PI, fail_after, 0
        self.timed: Counter[tuple[str, Tile]] = Counter()

    def time(self, task: TuningTask, tiles: Sequence[Tile]) -> list[float]:
        self.batches += 1
        if self.fail_after is not None and self.batches > self.fail_after:
            raise KeyboardInterrupt
        self.timed.update((task.kernel.key, tile) for tile in tiles)
        return [task.kernel.macs / 1e6 / tile.columns for tile in tiles]


def test_samples_and_tiles_are_each_others_inverse(tasks: list[TuningTask]) -> None:
    for task in tasks:
        assert {task.tile(task.sample(tile)) for tile in task.tiles} == task.tiles
        assert all(
            task.sample(tile)[label] in options for tile in task.tiles for label, options in task.choices.items()
        )


def test_each_kernel_shape_is_one_task_and_occurs_as_often_as_in_the_graph(
    tasks: list[TuningTask], hswish_onnx: Path
) -> None:
    from edgetune.latency.from_onnx import read_onnx

    assert len({task.kernel.key for task in tasks}) == len(tasks)
    convolutions = [task for task in tasks if "conv2d" in task.kernel.key or "matmul" in task.kernel.key]
    covered = sum(task.calls * task.kernel.macs for task in convolutions)
    assert 0.99 * read_onnx(hswish_onnx).macs <= covered <= read_onnx(hswish_onnx).macs


def test_with_time_enough_the_fastest_tile_of_all_is_found(tasks: list[TuningTask], tmp_path: Path) -> None:
    runner = MadeUp()
    tuner = Tuner(tasks, runner, tmp_path / "db", InOrder)
    tuner.run(60)
    total = sum(state.weight for state in tuner.states)
    records = read_database(tmp_path / "db").records
    for state in tuner.states:
        widest = max(tile.columns for tile in state.task.tiles)
        if state.weight >= LIGHT * total:
            assert state.best[0].columns == widest
            assert {tile for key, tile in runner.timed if key == state.task.kernel.key} == state.task.tiles
        assert records[tuner.target, state.task.kernel.key].tile == state.best[0]
    by_rule = {(task.kernel.key, task.default) for task in tasks}
    assert all(count == 1 for timed, count in runner.timed.items() if timed not in by_rule)


def test_kernels_without_weight_are_left_alone(tasks: list[TuningTask], tmp_path: Path) -> None:
    runner = MadeUp()
    tuner = Tuner(tasks, runner, tmp_path / "db", InOrder)
    tuner.run(60)
    total = sum(state.weight for state in tuner.states)
    light = [state for state in tuner.states if state.weight < LIGHT * total]
    assert light
    assert all(len(state.timed) == 1 for state in light)


def test_the_heaviest_kernel_gets_the_first_batch(tasks: list[TuningTask], tmp_path: Path) -> None:
    runner = MadeUp(fail_after=len(tasks) + 1)
    tuner = Tuner(tasks, runner, tmp_path / "db", InOrder)
    with pytest.raises(KeyboardInterrupt):
        tuner.run(60)
    heaviest = max(tuner.states, key=lambda state: state.weight)
    assert [state for state in tuner.states if len(state.timed) > 1] == [heaviest]


def test_what_was_found_before_an_interruption_is_kept_and_gone_on_with(
    tasks: list[TuningTask], tmp_path: Path
) -> None:
    stopped = MadeUp(fail_after=len(tasks) + 3)
    with pytest.raises(KeyboardInterrupt):
        Tuner(tasks, stopped, tmp_path / "db", InOrder).run(60)
    kept = read_database(tmp_path / "db").records
    assert len(kept) == len(tasks)
    assert sum(record.timed for record in kept.values()) == len(stopped.timed)
    Tuner(tasks, MadeUp(), tmp_path / "db", InOrder).run(60)
    after = read_database(tmp_path / "db").records
    assert all(after[key].ms <= record.ms and after[key].timed >= record.timed for key, record in kept.items())


def test_a_model_that_is_known_whole_is_not_timed_again(tasks: list[TuningTask], tmp_path: Path) -> None:
    Tuner(tasks, MadeUp(), tmp_path / "db", InOrder).run(60)
    again = MadeUp()
    Tuner(tasks, again, tmp_path / "db", InOrder).run(60)
    assert sum(again.timed.values()) <= 2 * len(tasks)  # by rule, and the best


def test_no_batch_begins_after_the_budget(tasks: list[TuningTask], tmp_path: Path) -> None:
    runner = MadeUp()
    Tuner(tasks, runner, tmp_path / "db", InOrder).run(0)
    assert runner.batches == 1
    assert len(read_database(tmp_path / "db").records) == 1


def test_the_same_tile_timed_again_counts_once(tasks: list[TuningTask], tmp_path: Path) -> None:
    for _ in range(3):
        Tuner(tasks, MadeUp(), tmp_path / "db", InOrder).run(0)
    (record,) = read_database(tmp_path / "db").records.values()
    assert record.timed == 1


def test_no_batch_begins_after_a_stop(tasks: list[TuningTask], tmp_path: Path) -> None:
    runner = MadeUp()
    Tuner(tasks, runner, tmp_path / "db", InOrder).run(600, stopped=lambda: runner.batches == len(tasks) + 2)
    assert runner.batches == len(tasks) + 2
