"""Trials on boards during a search: what they teach, what stays when a search is stopped or a board is gone."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgetune.agent import measure as measuring
from edgetune.agent import pool
from edgetune.agent.app import Settings
from edgetune.agent.board import BoardInfo, read_info
from edgetune.agent.measure import Request
from edgetune.agent.measurement import Mark, Measurement
from edgetune.agent.pool import Results
from edgetune.agent.registry import Agent, add_agent
from edgetune.config import SearchConfig
from edgetune.data.load import load_dataset
from edgetune.latency.from_onnx import read_onnx
from edgetune.latency.prediction import Prediction
from edgetune.latency.predictor import Predictor
from edgetune.pipeline import board_looks
from edgetune.pipeline.board_looks import looks_of, moments, notes_of, predictor_of
from edgetune.pipeline.judging import Judge
from edgetune.pipeline.plan import plan_of
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.search_run import SearchRun
from edgetune.pipeline.task import Task
from edgetune.reporter import Reporter
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.space.parameters import Sample
from tests.agent.conftest import running
from tests.agent.models import QUICK_REQUEST

INFO = read_info()
TRIALS = 16
CONFIG = SearchConfig.model_validate({"data": "digits", "agent": "here", "trials": TRIALS})


class HashJudge(Judge):
    """An accuracy that costs nothing."""

    def build(self, sample: Sample) -> Sample:  # type: ignore[override]
        return sample

    def evaluate(self, candidate: Sample) -> Mapping[str, float]:  # type: ignore[override]
        return {"top1": zlib.crc32(candidate.hash.encode()) / 2**32}

    judged = source = None  # type: ignore[assignment]


class Says(Reporter):
    """Keeps what was said; as if Ctrl-C were pressed after `stop_at` trials."""

    def __init__(self, stop_at: int = 10**9) -> None:
        self.said: list[str] = []
        self.stop_at = stop_at

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, stage: str, done: int, total: int) -> None:
        if done == self.stop_at:
            self.stop_at = 10**9
            raise ZeroDivisionError


@pytest.fixture(scope="module")
def task() -> Task:
    return task_on(INFO.machine)


def task_on(machine: str) -> Task:
    """With the data sheet of a Raspberry Pi 4, as if it were of this architecture."""
    predictor = Predictor.load("rpi4", runtime="onnxruntime", threads=1)
    target = predictor.profile.target.model_copy(update={"triple": f"{machine}-linux-gnu"})
    profile = predictor.profile.model_copy(update={"target": target})
    return Task(CONFIG, load_dataset("digits"), replace(predictor, profile=profile))


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGETUNE_AGENTS", str(tmp_path / "agents.json"))
    monkeypatch.setattr(board_looks, "REQUEST", QUICK_REQUEST)


def begin(path: Path, task: Task, reporter: Reporter) -> SearchRun:
    study = Study.create(path / "study.db", {"config": CONFIG.model_dump()})
    return SearchRun(RunFolder(path), study, task, reporter)


def judged(run: SearchRun, task: Task) -> list[Trial]:
    return run.judge_trials(plan_of(CONFIG), HashJudge(task))


def latencies(trials: list[Trial]) -> list[float]:
    return [(trial.values or {})["latency_ms"] for trial in trials]


def test_moments_are_whole_batches_before_the_end() -> None:
    assert moments(TRIALS, 1) == [4, 8]
    assert all(moment % 7 == 0 and moment < 100 for moment in moments(100, 7))
    assert moments(2, 1) == []


def test_with_agents_the_predictor_is_of_what_they_clock_in() -> None:
    assert predictor_of("rpi4", None).setting.runtime == "tflite"
    assert predictor_of("rpi4", "here").setting.runtime == "onnxruntime"


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine is called undisturbed, whatever else it does."""
    monkeypatch.setattr(measuring, "_marks", lambda *_: iter(()))


def test_a_real_agent_teaches_the_predictor_of_a_search(calm: None, task: Task, tmp_path: Path) -> None:
    reporter = Says()
    run = begin(tmp_path / "run", task, reporter)
    with running(tmp_path / "agent", Settings()) as here:
        add_agent(here.agent)
        trials = judged(run, task)
    assert len(trials) == TRIALS
    looks = looks_of(run.study)
    assert [look.trials for look in looks] == [4, 8]
    seen = [one for look in looks for one in look.seen]
    assert len({one.trial for one in seen}) == len(seen) == 8, notes_of(run.study)
    assert all(one.learnt for one in seen)
    assert run.task.predictor.kind == "calibrated"
    assert run.task.predictor.setting.version == seen[0].version

    again = run.task.predictor.predict_many([task.graph(trial.sample) for trial in run.study.trials()])
    assert latencies(run.study.trials()) == pytest.approx([one.latency_ms for one in again]), "all by one predictor"
    found = {one.trial: one.latency_ms for one in seen}
    before = task.predictor.predict_many([task.graph(run.study.trials()[number].sample) for number in found])
    after = [again[number] for number in found]

    def off(predictions: list[Prediction]) -> float:
        return float(np.mean(np.abs(np.log([p.latency_ms for p in predictions]) - np.log(list(found.values())))))

    assert off(after) < off(before)
    assert sum("clocked during the search: measured" in note for note in notes_of(run.study)) == 8
    assert sum("the predicted" in note for note in notes_of(run.study)) == 8


@pytest.mark.parametrize(
    ("marks", "info", "machine", "words"),
    [
        (["loaded"], INFO, INFO.machine, "loaded"),
        ([], replace(INFO, emulated=True), INFO.machine, "an emulated time says nothing"),
        ([], INFO, "riscv64", "learnt nothing from"),
    ],
)
def test_what_says_nothing_of_the_board_is_told_and_teaches_nothing(
    marks: list[Mark], info: BoardInfo, machine: str, words: str, found: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = task_on(machine)
    trial = Trial(number=0, sample=here.space.smallest(), values={}, state="done", seed=0, seconds=0)
    told = replace(found, marks=tuple(marks), board=info, kind="emulated" if info.emulated else "measured")
    monkeypatch.setattr(board_looks, "find_agents", lambda names: [])
    monkeypatch.setattr(
        board_looks, "measure_on", lambda _, models, __, on_result, say: on_result(models[0], "here", told) or Results()
    )
    (seen,), notes = board_looks._clock(here, "here", [trial], print)
    assert (seen.learnt, notes) == (False, [])
    assert words in seen.words


def test_a_board_that_is_gone_ends_no_search(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "PATIENCE_OF_ONE", 0.2)
    with running(tmp_path / "agent") as here:
        add_agent(here.agent)
    reporter = Says()
    run = begin(tmp_path / "run", task, reporter)
    assert len(judged(run, task)) == TRIALS
    assert sum("4 trials were not clocked, the search went on" in text for text in reporter.said) == 2
    assert run.task.predictor is task.predictor


@pytest.mark.parametrize("stop_at", [2, 6])
def test_a_search_that_was_stopped_ends_as_if_it_had_not(
    stop_at: int, task: Task, found: Measurement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a board that always says the same of the same network."""

    def measure_on(
        agents: Sequence[Agent],
        models: Sequence[Path],
        request: Request,
        *,
        on_result: Callable[[Path, str, Measurement], object],
        say: Callable[[str], object],
    ) -> Results:
        for path in models:
            timing = replace(found.job.timing, p50_ms=read_onnx(path).macs / 1e6)
            on_result(path, "here", replace(found, marks=(), job=replace(found.job, timing=timing)))
        return Results()

    monkeypatch.setattr(board_looks, "find_agents", lambda names: [])
    monkeypatch.setattr(board_looks, "measure_on", measure_on)
    whole = begin(tmp_path / "whole", task, Says())
    judged(whole, task)
    stopped = begin(tmp_path / "stopped", task, Says(stop_at))
    with pytest.raises(ZeroDivisionError):
        judged(stopped, task)
    stopped.study.close()
    study = Study.open(tmp_path / "stopped" / "study.db")
    resumed = SearchRun(RunFolder(tmp_path / "stopped"), study, task, Says())
    judged(resumed, task)
    pairs = list(zip(whole.study.trials(), study.trials(), strict=True))
    assert [a.sample for a, _ in pairs] == [b.sample for _, b in pairs]
    assert [a.values for a, _ in pairs] == [b.values for _, b in pairs]
    assert looks_of(study) == looks_of(whole.study)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Measurement:
    import onnx

    from tests.agent.models import convolution

    path = tmp_path_factory.mktemp("m") / "model.onnx"
    onnx.save(convolution(), path)
    return measuring.measure(path, QUICK_REQUEST)
