"""A second search on the same data: warm from the first, its supernet taken over, events replayed on resume."""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from edgetune.config import Learning, SearchConfig
from edgetune.data.pictures import Pictures
from edgetune.insight.state import RunState
from edgetune.latency.predictor import Predictor
from edgetune.pipeline.learning import begin, finish, know_teacher, named_study, strategy_of
from edgetune.pipeline.library import DATA, FOLDER, Entry, entry_of
from edgetune.pipeline.meta_features import TEACHER, meta_features
from edgetune.pipeline.task import Task, load_data
from edgetune.search.adaptive import AdaptiveSpace
from edgetune.search.narrowing import replay
from edgetune.search.narrowing_note import noted_changes
from edgetune.search.note_names import PAST
from edgetune.search.problem_note import note_objectives
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.search.warm_start import FEWEST
from edgetune.space.parameters import Sample

from .conftest import CONFIG, edgetune

LEARNING = """
[learning]
adapt = true
stop_flat = 200
"""


@pytest.fixture(scope="module")
def second_run(tmp_path_factory: pytest.TempPathFactory, finished_run: Path) -> tuple[Path, str]:
    """For another board, from the first one's trials; and what it said."""
    folder = tmp_path_factory.mktemp("second")
    config = folder / "search.toml"
    text = (
        CONFIG.replace("trials = 24", "trials = 46").replace("finalists = 3", "finalists = 1").replace(",int8,tvm", "")
    )
    config.write_text(text + LEARNING)
    past = ["--warm-start", str(finished_run), "--library", str(folder / "library")]
    done = edgetune("search", "--config", config, "--device", "rpi5", *past, "--out", folder / "run")
    return folder / "run", done.stderr


def test_the_supernet_is_not_trained_again(second_run: tuple[Path, str], finished_run: Path) -> None:
    run, said = second_run
    assert f"warm start from {finished_run.name}" in said and f"the supernet: that of {finished_run.name}" in said
    seconds = [RunState.read(folder / "study.db").seconds["supernet"] for folder in (run, finished_run)]
    assert seconds[0] < 0.5 * seconds[1]


def test_the_first_proposals_are_those_of_a_search_without_a_past(second_run: tuple[Path, str]) -> None:
    """Until they have shown whether the earlier run ranks them rightly."""
    run, _ = second_run
    with Study.open(run / "study.db", read_only=True) as study:
        config = SearchConfig.model_validate(study.settings["config"])
        trials = study.trials()
    cold = Task(config, load_data(config), Predictor.load(config.device)).new_strategy()
    for trial in trials[:FEWEST]:
        assert cold.ask(1) == [trial.sample]
        cold.tell([trial])


def test_the_report_says_what_was_learnt(second_run: tuple[Path, str]) -> None:
    run, _ = second_run
    summary = json.loads((run / "summary.json").read_text())
    insight = summary["insight"]
    assert set(insight["importance"]) == {"ped_anova", "variance", "local"}
    explained = insight["explanations"][0]
    assert explained["flips"][0]["judged_top1"] is not None and explained["flips"][0]["latency_ms"] is not None
    assert explained["roofline"]["points"]
    assert all(event["reason"] for event in insight["events"])
    assert "What matters" in (run / "report.html").read_text()


def test_a_finished_run_joins_the_library(second_run: tuple[Path, str]) -> None:
    (kept,) = (second_run[0].parent / "library").glob("*.json")
    entry = json.loads(kept.read_text())
    assert entry["device"] == "rpi5" and len(entry["samples"]) == 46 and entry["training"]


def test_a_resumed_search_decides_the_same(second_run: tuple[Path, str], tmp_path: Path) -> None:
    """As if it had been killed after 42 trials, just after the first change."""
    run = tmp_path / "run"
    shutil.copytree(second_run[0], run)
    with Study.open(run / "study.db") as study:
        study._connection.execute("DELETE FROM trials WHERE number >= 42")
    edgetune("search", "--resume", run)
    whole, resumed = (RunState.read(folder / "study.db") for folder in (second_run[0], run))
    assert [trial.sample for trial in resumed.trials] == [trial.sample for trial in whole.trials]
    assert resumed.events == whole.events


def test_nothing_is_learnt_from_unless_asked_for(finished_run: Path) -> None:
    assert Learning() == Learning(adapt=False, warm_start="off", stop_flat=None)
    with Study.open(finished_run / "study.db", read_only=True) as study:
        assert study.note(PAST) == []


def test_tests_keep_no_studies_in_the_users_library() -> None:
    assert os.environ[FOLDER]


def test_a_finished_run_tells_what_its_teacher_reached(finished_run: Path) -> None:
    """As it is on the validation split; the report's figure is that of the test split."""
    data = entry_of(finished_run).data
    summary = json.loads((finished_run / "summary.json").read_text())
    assert abs(data[TEACHER] - summary["teacher"]["test_top1"]) < 0.05 and data[TEACHER] > 0.9
    assert data.keys() > {"classes", "nearest_mean", "spectrum"}


@pytest.fixture
def rates() -> Task:
    """A search that trains its trials, with a learning rate that may become a hundred times higher."""
    config = {
        "data": "digits",
        "strategy": "nsga2",
        "trial_training": {"epochs": 1},
        "learning": {"adapt": True},
        "hyper_parameters": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True, "widest": [1e-4, 1]}},
    }
    settings = SearchConfig.model_validate(config)
    return Task(settings, load_data(settings), Predictor.load(settings.device))


def test_what_the_configuration_lets_grow_grows_is_written_down_and_grows_again(rates: Task, tmp_path: Path) -> None:
    label, said, trials = "training.learning_rate", list[str](), list[Trial]()
    with Study.create(tmp_path / "study.db", {}) as study:
        strategy = strategy_of(study, rates, said.append)
        while len(trials) < 59:
            (sample,) = strategy.ask(1)
            top1 = 0.9 - 0.1 * abs(math.log10(float(sample[label]) / 0.1))
            cheap = rates.problem.cheap_values(sample)
            trials.append(Trial(len(trials), sample, {**cheap, "top1": top1}, "done", seed=0))
            strategy.tell(trials[-1:])
        changes = [change for change in noted_changes(study) if change.label == label]
        assert [(change.trials, change.action) for change in changes[:2]] == [(0, "begin"), (40, "widen")]
        assert changes[1].options == pytest.approx((0.001, 10**-1.5)) and changes[1].reason
        assert any(line.startswith(f"widen {label}: 0.001 to 0.0316") for line in said)
        assert max(float(trial.sample[label]) for trial in trials[:40]) <= 0.01
        assert max(float(trial.sample[label]) for trial in trials) > 0.01
        told, noted = len(said), noted_changes(study)
        again = strategy_of(study, rates, said.append)
        for trial in trials:
            again.tell([trial])
        assert (len(said), noted_changes(study)) == (told, noted)
        assert again.ask(1) == strategy.ask(1)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    learning = {"warm_start": "auto", "library": str(tmp_path / "library")}
    config = SearchConfig.model_validate({"data": "digits", "learning": learning})
    return Task(config, load_data(config), Predictor.load(config.device))


def kept(task: Task, library: Path, name: str, **teacher: float) -> None:
    """An entry of the same data set in the library."""
    rng = np.random.default_rng(0)
    samples = [dict(task.search_space.draw(rng).values) for _ in range(12)]
    data = meta_features(task.dataset) | teacher
    entry = Entry(name, "mobile", "rpi4", {"top1": "maximize"}, samples, [{"top1": 0.5}] * 12, data)
    library.mkdir(exist_ok=True)
    (library / f"{name}.json").write_text(json.dumps(asdict(entry)))


def test_of_data_sets_otherwise_alike_the_one_as_hard_for_a_teacher_comes_first(task: Task, tmp_path: Path) -> None:
    """A study that an older version kept, without a teacher's figure, is compared by what it has."""
    for name, teacher in (("easy", 0.99), ("alike", 0.62), ("hard", 0.3), ("harder", 0.1)):
        kept(task, tmp_path / "library", name, teacher=teacher)
    kept(task, tmp_path / "library", "old")
    said: list[str] = []
    with Study.create(tmp_path / "study.db", {}) as study:
        begin(study, task, named_study(task), said.append)
        assert study.note(PAST) is None and TEACHER not in study.note(DATA) and not said
        know_teacher(study, task, lambda pictures: 0.6, said.append)
        assert [given["source"] for given in study.note(PAST)] == ["old", "alike", "hard"]
        assert study.note(DATA)[TEACHER] == 0.6
        shutil.rmtree(tmp_path / "library")
        know_teacher(study, task, lambda pictures: pytest.fail("asked twice"), said.append)  # resumed
        assert len(study.note(PAST)) == 3
    assert said == ["warm start from old, alike, hard"]


def run_of(task: Task, folder: Path, trials: int) -> Path:
    """A run of random networks, whose top-1 is their latency's rank, so that they tell of one another."""
    folder.mkdir(parents=True)
    settings = {"config": task.config.model_dump(), "data": "", "space": "mobile"}
    rng = np.random.default_rng(0)
    with Study.create(folder / "study.db", settings) as study:
        note_objectives(study, task.problem)
        for number in range(trials):
            study.add(judged(task, number, task.search_space.draw(rng)))
    return folder


def judged(task: Task, number: int, sample: Sample) -> Trial:
    cheap = task.problem.cheap_values(sample)
    return Trial(number, sample, {**cheap, "top1": cheap["latency_ms"] / 100}, "done", seed=0)


def warm(task: Task, named: Path) -> Task:
    learning = task.config.learning.model_copy(update={"warm_start": str(named)})
    return replace(task, config=task.config.model_copy(update={"learning": learning}))


def test_a_library_that_cannot_be_written_is_a_warning(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    run = run_of(task, tmp_path / "run", 3)
    monkeypatch.setattr("edgetune.pipeline.library.LONGEST_NAME", 300)
    finish(run.rename(tmp_path / ("r" * 245)), task, said.append)
    assert len(said) == 1 and "was not kept" in said[0]


def test_a_run_may_be_named_by_its_study(task: Task, tmp_path: Path) -> None:
    run = run_of(task, tmp_path / "earlier", 3)
    for named in (run, run / "study.db"):
        (entry,) = named_study(warm(task, named)) or []
        assert entry.run == str(run)


def test_a_named_run_that_is_not_listened_to_says_why(task: Task, tmp_path: Path) -> None:
    said: list[str] = []
    with Study.create(tmp_path / "study.db", {}) as study:
        named = warm(task, run_of(task, tmp_path / "earlier", 8))
        begin(study, named, named_study(named), said.append)
        (event,) = RunState.read(study.path).events
    assert event.action == "ignore" and "8 trials" in event.reason
    assert "warm start from earlier" in said and any("12 are needed" in line for line in said)


def test_the_study_tells_when_an_earlier_one_is_first_listened_to(task: Task, tmp_path: Path) -> None:
    said: list[str] = []
    with Study.create(tmp_path / "study.db", {}) as study:
        named = warm(task, run_of(task, tmp_path / "earlier", 40))
        begin(study, named, named_study(named), said.append)
        assert RunState.read(study.path).events == ()
        rng = np.random.default_rng(1)
        trials = [judged(task, number, task.search_space.draw(rng)) for number in range(FEWEST + 6)]
        for _ in range(2):  # once, resumed or not
            strategy = strategy_of(study, named, said.append)
            for trial in trials:
                strategy.tell([trial])
        (event,) = RunState.read(study.path).events
    assert event.action == "trust" and "earlier" in event.what and FEWEST <= event.trials <= FEWEST + 6
    assert sum("trust" in line for line in said) == 1


def test_the_changes_of_the_space_can_be_replayed_from_the_study(task: Task, tmp_path: Path) -> None:
    config = task.config.model_copy(update={"learning": Learning(adapt=True)})
    adapting, rng = replace(task, config=config), np.random.default_rng(1)
    trials = [judged(task, number, task.search_space.draw(rng)) for number in range(60)]
    with Study.create(tmp_path / "study.db", {}) as study:
        for _ in range(2):  # once, resumed or not
            strategy = strategy_of(study, adapting, lambda text: None)
            strategy.tell(trials)
        assert isinstance(strategy, AdaptiveSpace) and strategy.changes
        assert noted_changes(study) == tuple(strategy.changes)
        assert replay(noted_changes(study)) == strategy.allowed


def test_the_teacher_is_asked_about_the_validation_split(task: Task, tmp_path: Path) -> None:
    asked: list[Pictures] = []

    def top1_of(pictures: Pictures) -> float:
        asked.append(pictures)
        return 0.5

    with Study.create(tmp_path / "study.db", {}) as study:
        know_teacher(study, task, top1_of, lambda text: None)
        assert study.note(DATA).keys() == meta_features(task.dataset).keys() | {TEACHER}
    np.testing.assert_array_equal(asked[0].images, task.dataset.validation.images[:2_000])
