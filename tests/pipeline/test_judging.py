"""Trials judged by workers are judged as in the search's own process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from edgetune.config import SearchConfig
from edgetune.data.load import load_dataset
from edgetune.distill.loop import Recipe
from edgetune.errors import ConfigError, EngineError
from edgetune.latency.predictor import Predictor
from edgetune.pipeline.judging import Judge, SupernetJudge, TrainingJudge, check_engine, engine_of
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.task import Task
from edgetune.search.engines.base import Engine, Job, Outcome
from edgetune.search.engines.in_process import InProcess
from edgetune.search.study import Study
from edgetune.space.parameters import Sample

CONFIG = SearchConfig.model_validate(
    {
        "data": "digits",
        "engine": "processes",
        "workers": 1,
        "trial_time_limit": "5min",
        "trial_memory_limit": "8GB",
        "trial_training": {"epochs": 2},
        "hyper_parameters": {
            "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
            "optimizer": ["adamw", "sgd"],
            "temperature": [1, 4],
            "mixup": [0.0, 0.2],
        },
    }
)


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(CONFIG, load_dataset("digits"), Predictor.load("rpi4"))


def inherited(task: Task, folder: Path) -> Judge:
    return SupernetJudge(task, task.new_supernet())


def trained(task: Task, folder: Path) -> Judge:
    """By a teacher that knows every label."""
    outputs = 4.0 * np.eye(10, dtype=np.float32)[task.dataset.train.labels]
    return TrainingJudge(task, Recipe(epochs=2, learning_rate=0.01, batch_size=64), outputs, folder)


@pytest.mark.parametrize("make", [inherited, trained])
def test_a_worker_judges_as_this_process_does(
    make: Callable[[Task, Path], Judge], task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    judge = make(task, tmp_path / "trials")
    samples = [task.search_space.draw(np.random.default_rng(seed)) for seed in range(3)]
    expected = [outcome_of(InProcess(judge), sample).values for sample in samples]
    with Study.create(tmp_path / "study.db", {}) as study:
        engine = engine_of(task.config, study, RunFolder(tmp_path), judge)
        assert engine is not None and engine.workers == study.note("workers") == 1
        with engine:
            judged = [outcome_of(engine, sample) for sample in samples]
    assert [outcome.values for outcome in judged] == expected, [outcome.error for outcome in judged]
    assert len({figures["top1"] for figures in expected if figures}) > 1


def test_other_data_on_a_worker_is_said(task: Task, tmp_path: Path) -> None:
    other = Task(task.config, replace(task.dataset, content_hash="0"), task.predictor)
    with Study.create(tmp_path / "study.db", {}) as study:
        engine = engine_of(other.config, study, RunFolder(tmp_path), inherited(other, tmp_path))
        assert engine is not None
        with engine, pytest.raises(EngineError, match="the data set is another one here"):
            outcome_of(engine, task.space.smallest())


def test_workers_default_to_the_processors(task: Task, tmp_path: Path) -> None:
    free = Task(task.config.model_copy(update={"workers": None}), task.dataset, task.predictor)
    with Study.create(tmp_path / "study.db", {}) as study:
        engine = engine_of(free.config, study, RunFolder(tmp_path), inherited(free, tmp_path))
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


def test_a_cluster_that_is_not_there_is_said_before_work_begins() -> None:
    with pytest.raises(EngineError, match="no Ray cluster answers"):
        check_engine(SearchConfig(engine="ray", address="127.0.0.1:1"))
