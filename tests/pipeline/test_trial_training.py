"""Searches that train each trial apart, with hyper-parameters in the same space as the architecture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetune.config import SearchConfig
from edgetune.data.load import load_dataset
from edgetune.distill.loop import Recipe
from edgetune.distill.losses import Distillation
from edgetune.latency.predictor import Predictor
from edgetune.pipeline import task as tasks
from edgetune.pipeline.search import resume, start
from edgetune.pipeline.task import Task, hyper_parameters
from edgetune.report.summary import RunSummary
from edgetune.reporter import Reporter
from edgetune.search.study import Study
from edgetune.search.trial import Trial

SETTINGS: dict[str, Any] = {
    "data": "digits",
    "trials": 9,
    "finalists": 1,
    "formats": "onnx",
    "teacher_training": {"epochs": 2, "learning_rate": 0.005, "batch_size": 64},
    "trial_training": {"epochs": 2, "batch_size": 64},
    "finalist_training": {"epochs": 1, "learning_rate": 0.005, "batch_size": 64},
    "hyper_parameters": {
        "learning_rate": {"low": 1e-5, "high": 0.05, "log": True},
        "temperature": [1.0, 2.0, 4.0],
        "optimizer": ["adamw", "sgd"],
        "mixup": [0.0, 0.2],
    },
}
LABELS = {"training.learning_rate", "training.temperature", "training.optimizer", "training.mixup"}


class StopsAt(Reporter):
    """As Ctrl-C would."""

    def __init__(self, trial: int) -> None:
        self.trial = trial

    def progress(self, stage: str, done: int, total: int) -> None:
        if (stage, done) == ("search", self.trial):
            raise KeyboardInterrupt


def trials_of(run: Path) -> list[Trial]:
    with Study.open(run / "study.db", read_only=True) as study:
        return study.trials()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunSummary]:
    run = tmp_path_factory.mktemp("searches") / "run"
    return run, start(SearchConfig.model_validate(SETTINGS), run, Reporter()).finish()


def test_trials_are_trained_with_the_choices_of_their_samples(finished: tuple[Path, RunSummary]) -> None:
    run, summary = finished
    trials = trials_of(run)
    assert len(trials) == SETTINGS["trials"]
    assert all(trial.sample.values.keys() > LABELS for trial in trials)
    assert {trial.state for trial in trials} == {"done", "stopped"}
    for trial in trials:
        assert len(trial.curve) == (2 if trial.state == "done" else 1)
        assert trial.state == "done" or "the bar is" in (trial.error or "")
    slow, fast = (sum(trial.values["top1"] for trial in part if trial.values) for part in halves(trials))
    assert fast > slow, "a learning rate of 1e-5 teaches nothing"
    assert not (run / "supernet.pt").exists()
    assert all(finalist.sample.keys() > LABELS for finalist in summary.finalists)


def halves(trials: list[Trial]) -> tuple[list[Trial], list[Trial]]:
    """The trials of the lower learning rates, and of the higher."""
    done = [trial for trial in trials if trial.values]
    done.sort(key=lambda trial: trial.sample["training.learning_rate"])
    half = len(done) // 2
    return done[:half], done[-half:]


def test_a_stopped_search_goes_on_as_if_it_never_was(finished: tuple[Path, RunSummary], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        start(SearchConfig.model_validate(SETTINGS), tmp_path / "run", StopsAt(7)).finish()
    assert len(trials_of(tmp_path / "run")) == 7
    summary = resume(tmp_path / "run", Reporter()).finish()
    assert trials_of(tmp_path / "run") == trials_of(finished[0])
    found, expected = ([(f.name, f.test_top1) for f in s.finalists] for s in (summary, finished[1]))
    assert found == expected


def test_a_network_is_trained_with_its_sample_s_hyper_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(tasks, "distil", lambda *args, **named: seen.update(named, recipe=args[3]))
    config = SearchConfig.model_validate(SETTINGS)
    task = Task(config, load_dataset("digits"), Predictor.load("rpi4"))
    sample = task.search_space.draw(np.random.default_rng(3))
    chosen: Mapping[str, Any] = hyper_parameters(sample)
    task.distil(task.new_network(sample), np.zeros(0), Recipe(epochs=7, learning_rate=1.0), sample=sample)
    recipe, distillation = seen["recipe"], seen["distillation"]
    assert isinstance(distillation, Distillation)
    assert (recipe.epochs, recipe.learning_rate) == (7, chosen["learning_rate"])
    assert (recipe.optimizer, recipe.mixup) == (chosen["optimizer"], chosen["mixup"])
    assert (distillation.temperature, distillation.teacher_weight) == (chosen["temperature"], 0.9)
