"""What a search knows of networks without training them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from edgetune.config import ZERO_COST, Learning
from edgetune.nets.zero_cost import SCORES, score
from edgetune.pipeline.task import SCORED_ON, Task, pixels_of


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
