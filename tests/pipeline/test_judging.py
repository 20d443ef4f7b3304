"""Trials judged by workers are judged as in the search's own process."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgetune.config import SearchConfig
from edgetune.data.load import load_dataset
from edgetune.errors import ConfigError, EngineError
from edgetune.latency.predictor import Predictor
from edgetune.pipeline.judging import Judge, check_engine, engine_of
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.task import Task
from edgetune.search.engines.base import Engine, Job, Outcome
from edgetune.search.study import Study
from edgetune.space.parameters import Sample

CONFIG = SearchConfig(data="digits", engine="processes", workers=1, trial_time_limit="5min", trial_memory_limit="8GB")


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(CONFIG, load_dataset("digits"), Predictor.load("rpi4"))


def test_a_worker_judges_as_this_process_does(task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    supernet = task.new_supernet()
    judge = Judge(task, supernet)
    samples = [task.space.space.draw(np.random.default_rng(seed)) for seed in range(3)]
    expected = [judge(sample) for sample in samples]
    with Study.create(tmp_path / "study.db", {}) as study:
        engine = engine_of(task, study, RunFolder(tmp_path), supernet)
        assert engine is not None and engine.workers == study.note("workers") == 1
        with engine:
            judged = [outcome_of(engine, sample) for sample in samples]
    assert [outcome.values for outcome in judged] == expected, [outcome.error for outcome in judged]
    assert len({figures["top1"] for figures in expected}) > 1


def test_other_data_on_a_worker_is_said(task: Task, tmp_path: Path) -> None:
    other = Task(task.config, replace(task.dataset, content_hash="0"), task.predictor)
    with Study.create(tmp_path / "study.db", {}) as study:
        engine = engine_of(other, study, RunFolder(tmp_path), other.new_supernet())
        assert engine is not None
        with engine, pytest.raises(EngineError, match="the data set is another one here"):
            outcome_of(engine, task.space.smallest())


def test_workers_default_to_the_processors(task: Task, tmp_path: Path) -> None:
    free = Task(task.config.model_copy(update={"workers": None}), task.dataset, task.predictor)
    with Study.create(tmp_path / "study.db", {}) as study:
        engine = engine_of(free, study, RunFolder(tmp_path), free.new_supernet())
    assert engine is not None and engine.workers == len(os.sched_getaffinity(0))


def outcome_of(engine: Engine, sample: Sample) -> Outcome:
    engine.submit(Job(0, sample, seed=0))
    return engine.next()[1]


@pytest.mark.parametrize(
    ("settings", "mend"),
    [
        ({"workers": 2}, "--engine processes"),
        ({"trial_time_limit": "5s"}, "--engine processes"),
        ({"address": "auto"}, "--engine ray"),
        ({"engine": "processes", "address": "auto"}, "--engine ray"),
    ],
)
def test_what_an_engine_cannot_do_is_refused(settings: dict[str, object], mend: str) -> None:
    with pytest.raises(ConfigError, match=mend):
        check_engine(SearchConfig.model_validate(settings))
    check_engine(CONFIG)
