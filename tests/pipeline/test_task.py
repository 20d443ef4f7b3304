"""What a search knows of networks without training them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from edgetune.config import USUAL_WEIGHTS, ZERO_COST, Learning, SearchConfig
from edgetune.distill.losses import Distillation
from edgetune.nets.zero_cost import SCORES, score
from edgetune.pipeline.task import SCORED_ON, Task, pixels_of

USUAL = Distillation(2.0, weights=USUAL_WEIGHTS.named)


@pytest.mark.parametrize(
    ("told", "losses"),
    [
        ({}, USUAL),
        ({"teacher_weight": 0.8, "temperature": 4}, Distillation(4.0, 0.8)),
        ({"weights": {"dist": 2}}, Distillation(2.0, weights={"dist": 2.0})),
        ({"weights": {"labels": 1, "hints": 1}, "smoothing": 0.1}, Distillation(2.0, 0.9, 0.1, {"labels": 1.0})),
    ],
    ids=str,
)
def test_what_students_learn_from(task: Task, told: dict[str, Any], losses: Distillation) -> None:
    assert replace(task, config=SearchConfig.model_validate({"distillation": told})).distillation == losses


def test_a_weight_that_is_searched_for_is_hintons(task: Task) -> None:
    told = {"trial_training": {"epochs": 1}, "hyper_parameters": {"teacher_weight": [0.5, 0.9]}}
    assert not replace(task, config=SearchConfig.model_validate(told)).distillation.weights


def test_scores_that_are_asked_for_are_cheap_figures(task: Task) -> None:
    sample = task.space.space.draw(np.random.default_rng(0))
    told = task.config.model_copy(update={"learning": Learning(scores=",".join(ZERO_COST))})
    scoring, few = replace(task, config=told), task.dataset.train.first(SCORED_ON)
    plain, found = task.problem.cheap_values(sample), scoring.problem.cheap_values(sample)
    torch.manual_seed(0)
    network, pixels = task.new_network(sample), torch.from_numpy(pixels_of(few, SCORED_ON))
    scores = {name: score(name, network, pixels, torch.from_numpy(few.labels)) for name in ZERO_COST}
    assert found == {**plain, **scores}
    assert SCORES.keys() == {*ZERO_COST, "macs", "parameters"}, "of which the last two are known anyway"
    assert plain["macs"] == score("macs", network, pixels, torch.from_numpy(few.labels))
