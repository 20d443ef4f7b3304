"""What is clocked before a search with a budget."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from edgetune.config import SearchConfig
from edgetune.distill import finalist
from edgetune.latency.predictor import Predictor
from edgetune.pipeline.budget import BATCHES, measure_costs
from edgetune.pipeline.plan import plan_of
from edgetune.pipeline.task import Task, load_data


def test_few_pictures_are_clocked_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a training does at its end, beside its batches, is done on the few pictures that are clocked too."""
    seen: list[int] = []
    recalibrate = finalist.recalibrate
    monkeypatch.setattr(
        finalist, "recalibrate", lambda net, images: (seen.append(len(images)), recalibrate(net, images))
    )
    config = SearchConfig.model_validate({"data": "digits", "int8_training": {"epochs": 1}})
    task = Task(config, load_data(config), Predictor.load("rpi4"))
    plan = plan_of(config)
    costs = measure_costs(task, plan, None, torch.device("cpu"))
    assert seen and max(seen) <= BATCHES * plan.finalist.batch_size < len(task.dataset.train)
    assert all(getattr(costs, field.name) > 0 for field in fields(costs))
    clocked = costs.teacher_epoch + costs.supernet_epoch + costs.finalist_epoch + costs.int8_epoch
    assert costs.clocking > clocked * BATCHES * plan.finalist.batch_size / len(task.dataset.train)
