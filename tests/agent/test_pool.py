"""Boards in a pool: work goes to who is free, a lost board's work to the others, a bad unit is named."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgetune.agent.link import LinkLost
from edgetune.agent.measure import Request, measure
from edgetune.agent.measurement import Measurement
from edgetune.agent.pool import COMMON, measure_on, measure_with
from edgetune.errors import AgentError, MeasurementError
from tests.agent.conftest import Running
from tests.agent.models import QUICK_REQUEST


@pytest.fixture(scope="module")
def real(model: Path) -> Measurement:
    return measure(model, QUICK_REQUEST)


class Board:
    """Takes `seconds` a model; vanishes at its model number `vanishes`; `factor` times as slow as it should be."""

    def __init__(self, real: Measurement, seconds: float, *, vanishes: int = 10**9, factor: float = 1.0) -> None:
        self.real, self.seconds, self.vanishes, self.factor = replace(real, marks=()), seconds, vanishes, factor
        self.done: list[Path] = []

    def measure(self, model: Path, request: Request = QUICK_REQUEST) -> Measurement:
        if len(self.done) == self.vanishes:
            raise LinkLost("gone")
        if model.name == "bad":
            raise MeasurementError("refused", code="model_refused")
        time.sleep(self.seconds)
        self.done.append(model)
        timing = replace(self.real.job.timing, p50_ms=10.0 * self.factor)
        return replace(self.real, job=replace(self.real.job, timing=timing))

    def cancel(self) -> None:
        pass


MODELS = [Path(f"model-{i}") for i in range(23)]


def test_the_faster_board_does_more_and_each_model_is_measured(real: Measurement) -> None:
    boards = {"slow": Board(real, 0.1), "fast": Board(real, 0.002)}
    results = measure_with(boards, MODELS)
    assert set(results.measurements) == set(MODELS)
    assert len(boards["fast"].done) > 2 * len(boards["slow"].done)
    assert sum(len(board.done) for board in boards.values()) == len(MODELS) + COMMON
    assert not results.notes


@pytest.mark.parametrize("after", [0, 1, COMMON, COMMON + 2])
def test_the_models_of_a_board_that_vanishes_go_to_the_others(real: Measurement, after: int) -> None:
    boards = {"gone": Board(real, 0.001, vanishes=after), "left": Board(real, 0.002)}
    results = measure_with(boards, MODELS)
    assert set(results.measurements) == set(MODELS)
    assert list(results.gone) == ["gone"]
    assert results.notes == ["gone was left out, the others went on: gone"]


def test_where_boards_were_compared_already_none_measures_what_another_does(real: Measurement) -> None:
    boards = {"a": Board(real, 0.001), "b": Board(real, 0.001)}
    results = measure_with(boards, MODELS, common=0)
    assert set(results.measurements) == set(MODELS)
    assert sum(len(board.done) for board in boards.values()) == len(MODELS)


def test_revisions_of_a_board_are_one_kind(real: Measurement) -> None:
    """A newer print of the same board is compared with the older ones; another board is not."""

    class Named(Board):
        def __init__(self, model: str, factor: float) -> None:
            super().__init__(replace(real, board=replace(real.board, model=model)), 0, factor=factor)

    pi4, newer, pi5 = "Raspberry Pi 4 Model B Rev 1.1", "Raspberry Pi 4 Model B Rev 1.5", "Raspberry Pi 5 Rev 1.0"
    (note,) = measure_with({"a": Named(pi4, 1), "b": Named(newer, 1.3), "c": Named(pi5, 0.4)}, MODELS).notes
    assert note.startswith("a and b disagree")


def test_it_is_told_when_no_board_is_left(real: Measurement) -> None:
    kept = []
    boards = {"a": Board(real, 0.001, vanishes=4), "b": Board(real, 0.001, vanishes=5)}
    with pytest.raises(AgentError, match="no agent is left"):
        measure_with(boards, MODELS, on_result=lambda model, name, measurement: kept.append(model))
    assert len(kept) == 9
    with pytest.raises(LinkLost):
        measure_with({"only": Board(real, 0.001, vanishes=1)}, MODELS)


def test_a_model_that_cannot_be_measured_costs_no_other(real: Measurement) -> None:
    results = measure_with({"one": Board(real, 0)}, [MODELS[0], Path("bad"), MODELS[1]])
    assert list(results.failures) == [Path("bad")]
    assert set(results.measurements) == {MODELS[0], MODELS[1]}


def test_a_bad_unit_is_named(real: Measurement) -> None:
    boards = {"a": Board(real, 0), "b": Board(real, 0, factor=1.03), "c": Board(real, 0, factor=1.3)}
    (note,) = measure_with(boards, MODELS).notes
    assert note.startswith("c is ")
    assert "slower" in note
    (note,) = measure_with({"a": Board(real, 0), "b": Board(real, 0, factor=0.8)}, MODELS).notes
    assert note.startswith("a and b disagree")


def test_one_disturbed_measurement_makes_no_bad_unit(real: Measurement) -> None:
    class OnceLoaded(Board):
        def measure(self, model: Path, request: Request = QUICK_REQUEST) -> Measurement:
            found = super().measure(model, request)
            if model != MODELS[0]:
                return found
            slower = replace(found.job.timing, p50_ms=1.5 * found.latency_ms)
            return replace(found, job=replace(found.job, timing=slower), marks=("loaded",))

    assert not measure_with({"a": Board(real, 0), "b": OnceLoaded(real, 0)}, MODELS).notes


def test_ctrl_c_ends_what_the_boards_are_at(real: Measurement, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    class Told(Board):
        def cancel(self) -> None:
            ended.append("told")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        measure_with({"a": Told(real, 0.01), "b": Told(real, 0.01)}, MODELS)
    assert ended == ["told", "told"]


def test_a_bug_is_not_hidden(real: Measurement) -> None:
    class Broken(Board):
        def measure(self, model: Path, request: Request = QUICK_REQUEST) -> Measurement:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        measure_with({"a": Broken(real, 0), "b": Board(real, 0.001)}, MODELS)
    assert threading.active_count() < 50


def test_two_real_agents_share_the_work(start: Callable[..., Running], model: Path, tmp_path: Path) -> None:
    copies = []
    for number in range(5):
        copies.append(tmp_path / f"{number}.onnx")
        copies[-1].write_bytes(model.read_bytes())
    agents = [start(name).agent for name in ("one", "two")]
    results = measure_on(agents, copies, QUICK_REQUEST)
    assert set(results.measurements) == set(copies)
    assert {name for by_board in results.measurements.values() for name in by_board} == {"one", "two"}
