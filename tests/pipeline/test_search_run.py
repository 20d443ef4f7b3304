"""What a search under way checks before it works, and what it tells of its progress."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgetune.config import SearchConfig
from edgetune.data.load import load_dataset
from edgetune.errors import ConfigError, EngineError
from edgetune.latency.predictor import Predictor
from edgetune.pipeline.judging import SupernetJudge
from edgetune.pipeline.plan import plan_of
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.search import resume
from edgetune.pipeline.search_run import SearchRun
from edgetune.pipeline.task import Task
from edgetune.reporter import Reporter
from edgetune.search import nni_strategy
from edgetune.search.study import Study
from edgetune.search.trial import Trial


class Counts(Reporter):
    def __init__(self) -> None:
        self.done: list[int] = []

    def progress(self, stage: str, done: int, total: int) -> None:
        self.done.append(done)


def begin(path: Path, reporter: Reporter, **settings: Any) -> SearchRun:
    config, dataset = SearchConfig(data="digits", **settings), load_dataset("digits")
    study = Study.create(path / "study.db", {"config": config.model_dump(), "data": dataset.content_hash, "space": ""})
    return SearchRun(RunFolder(path), study, Task(config, dataset, Predictor.load("rpi4")), reporter)


def test_progress_counts_what_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers finish out of order."""

    def search(study: Study, *_: Any, on_trial: Any, **__: Any) -> list[Trial]:
        for number in (2, 0, 3, 1):
            trial = Trial(number, run.task.space.smallest(), None, "failed", 0, error="x")
            study.add(trial)
            on_trial(trial)
        return study.trials()

    monkeypatch.setattr(nni_strategy, "search_with_nni", search)
    reporter = Counts()
    run = begin(tmp_path, reporter)
    run.judge_trials(plan_of(run.config), SupernetJudge(run.task, run.task.new_supernet()))
    assert reporter.done == [0, 1, 2, 3, 4]


def test_a_cluster_that_is_gone_is_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SearchRun, "teacher", lambda *_: pytest.fail("a teacher was trained"))
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:1: no Ray cluster answers"):
        begin(tmp_path, Reporter(), engine="ray", address="127.0.0.1:1").finish()
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:2: no Ray cluster answers"):
        resume(tmp_path, Reporter(), address="127.0.0.1:2")
    assert resume(tmp_path, Reporter(), address="auto").config.address == "auto"


def test_a_run_without_a_cluster_goes_on_without_an_address(tmp_path: Path) -> None:
    begin(tmp_path, Reporter())
    with pytest.raises(ConfigError, match="only a Ray cluster"):
        resume(tmp_path, Reporter(), address="auto")
