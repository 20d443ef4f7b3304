"""The mobile space of small pictures, with the accuracies that a finished run's supernet would give.

A surrogate of the run's trials stands for the supernet; latencies are the board's predictor's own. The true front is
not known: what two long searches find stands for it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgetune.latency.from_architecture import graph_of
from edgetune.latency.predictor import Predictor
from edgetune.search.catalogue import make_strategy
from edgetune.search.importance import Model
from edgetune.search.objective import Objective
from edgetune.search.pareto import front
from edgetune.search.problem import Problem
from edgetune.search.study import Study
from edgetune.space.mobile import MOBILE_SPACES
from edgetune.space.parameters import Sample, Space
from tools.bench.learning import Task, run
from tools.bench.true_front import TrueFront

LONG = {"nsga2": 3000, "guided": 400}  # trials of each strategy


class Mobile:
    """Error against predicted latency, as the run's search had them."""

    def __init__(self, folder: Path) -> None:
        with Study.open(folder / "study.db", read_only=True) as study:
            trials = [trial for trial in study.trials() if trial.values is not None]
            settings = study.settings
        space = MOBILE_SPACES[settings["space"]]
        predictor = Predictor.load(settings["config"]["device"])
        self.model = Model(Problem(space.space, (Objective("top1", "maximize"),)), trials)

        def latency(sample: Sample) -> dict[str, float]:
            graph = graph_of(space.architecture(sample, channels=1, resolution=28, classes=10))
            return {"latency_ms": predictor.predict(graph).latency_ms}

        problem = Problem(space.space, (Objective("error"), Objective("latency_ms", cheap=True)), latency)
        unjudged = Task(problem, self.evaluate, TrueFront(np.ones(2), 1.0))
        found = [
            trial
            for strategy, trials in LONG.items()
            for trial in run(unjudged, make_strategy(strategy, problem, seed=99), trials)
        ]
        self.front = front(problem, found)
        points = problem.points(found)
        reference = 1.1 * np.percentile(points, 95, axis=0)
        self.task = Task(problem, self.evaluate, TrueFront.of(problem.points(self.front), reference))

    def evaluate(self, sample: Sample) -> dict[str, float]:
        return {"error": 1 - float(self.model.predict(self.model.encoding.rows([sample]))["top1"][0])}

    def loses(self, space: Space) -> bool:
        """Whether the space lacks a point of the long searches' front."""
        return not all(
            space.by_label[label].holds(value) for trial in self.front for label, value in trial.sample.values.items()
        )
