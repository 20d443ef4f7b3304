"""What a search knows of networks without training them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from edgetune.config import ZERO_COST, Learning, Limits
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


def test_a_limit_on_macs_is_held_and_is_no_axis_of_the_front(task: Task) -> None:
    limits = Limits(macs="200k")
    limited = replace(task, config=task.config.model_copy(update={"limits": limits}))
    strategy = limited.new_strategy()
    asked = [limited.graph(sample).macs for sample in strategy.ask(8)]
    drawn = [task.graph(task.space.space.draw(np.random.default_rng(seed))).macs for seed in range(20)]
    assert max(asked) <= 200_000 < max(drawn)
    assert limited.problem.targets == task.problem.targets
