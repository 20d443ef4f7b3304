"""What is clocked before a search with a budget."""

from __future__ import annotations

import time
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgetune.config import Learning, SearchConfig
from edgetune.distill import finalist
from edgetune.distill.evaluate import recalibrate
from edgetune.distill.loop import Recipe
from edgetune.distill.train_teacher import new_teacher
from edgetune.latency.predictor import Predictor
from edgetune.pipeline import budget
from edgetune.pipeline.budget import BATCHES, CANDIDATES, TEACHER_BATCHES, measure_costs
from edgetune.pipeline.plan import plan_of
from edgetune.pipeline.task import Task, load_data


@pytest.mark.parametrize(
    ("told", "spared"), [({}, "trial_epoch"), ({"trial_training": {"epochs": 1}}, "supernet_epoch")]
)
def test_few_pictures_are_clocked_and_all_are_counted(
    told: dict[str, Any], spared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a training does at its end, beside its batches, is done on the few pictures that are clocked too."""
    seen: list[int] = []

    def counted(module: nn.Module, images: np.ndarray) -> None:
        seen.append(len(images))
        recalibrate(module, images)

    monkeypatch.setattr(finalist, "recalibrate", counted)
    config = SearchConfig.model_validate({"data": "digits", "int8_training": {"epochs": 1}, **told})
    task = Task(config, load_data(config), Predictor.load("rpi4"))
    plan = plan_of(config)
    costs = measure_costs(task, plan, None, torch.device("cpu"))
    assert seen and max(seen) <= BATCHES * plan.finalist.batch_size < len(task.dataset.train)
    assert [field.name for field in fields(costs) if getattr(costs, field.name) == 0] == [spared]
    students = costs.supernet_epoch + costs.finalist_epoch + costs.int8_epoch
    clocked = TEACHER_BATCHES * costs.teacher_epoch + BATCHES * students
    assert costs.clocking > clocked * plan.finalist.batch_size / len(task.dataset.train)


def test_what_a_training_does_at_its_end_is_not_part_of_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that a batch moves by 2 s and the end of a training by 9."""
    now = 0.0

    def train(recipe: Recipe) -> None:
        nonlocal now
        now += 2 * round(BATCHES * recipe.epochs) + 9

    monkeypatch.setattr(time, "perf_counter", lambda: now)
    recipe = plan_of(SearchConfig()).finalist
    assert budget._pass(train, recipe) == pytest.approx(2 * BATCHES)


def test_each_view_is_a_look_of_the_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that tells a second whatever is done."""
    monkeypatch.setattr(budget, "_pass", lambda train, recipe, batches=BATCHES: 1.0)
    monkeypatch.setattr(budget, "_seconds", lambda work: 1.0)

    def cost(views: int) -> float:
        config = SearchConfig.model_validate({"data": "digits", "augmentation": {"views": views}})
        task = Task(config, load_data(config), Predictor.load("rpi4"))
        teacher = new_teacher(task.dataset, None, seed=0, device=torch.device("cpu"))
        return measure_costs(task, plan_of(config), teacher, torch.device("cpu")).teacher_outputs

    all_of_them = 1349 / (TEACHER_BATCHES * 128)  # seconds, where the few that are clocked take one
    assert cost(1) == cost(2), "a picture and its mirror image"
    assert cost(10) - cost(2) == pytest.approx(8 * all_of_them)


@pytest.mark.parametrize(("strategy", "looks"), [("guided", CANDIDATES["guided"]), ("nsga2", 1)])
def test_scores_of_candidates_are_part_of_a_trial(strategy: str, looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_seconds", lambda work: 1.0)
    config = SearchConfig(data="digits", strategy=strategy)
    dataset, predictor = load_data(config), Predictor.load("rpi4")
    scoring = config.model_copy(update={"learning": Learning(scores="synflow")})
    without, beside = (
        measure_costs(Task(told, dataset, predictor), plan_of(told), None, torch.device("cpu")).trial
        for told in (config, scoring)
    )
    assert beside == pytest.approx(without + looks)
