"""Our strategies as NNI strategies, on NNI's execution engines. Importing this imports torch and NNI."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from edgetune.search.run import run_search
from edgetune.search.strategy import Strategy
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.space.nni_space import NniModelSpace, to_nni  # before NNI itself: it silences NNI's import
from edgetune.space.parameters import Sample

import nni  # isort: skip
from nni.nas.evaluator import FunctionalEvaluator  # isort: skip
from nni.nas.execution import ExecutionEngine, SequentialExecutionEngine  # isort: skip
from nni.nas.space import SimplifiedModelSpace  # isort: skip
from nni.nas.strategy.base import Strategy as NniStrategyBase  # isort: skip

Candidate = TypeVar("Candidate")


class NniStrategy(NniStrategyBase):  # type: ignore[misc]
    """Explores an NNI model space as an edgetune strategy says, and writes each trial to the study.

    The model space must be made of a :class:`NniModelSpace` of the strategy's space. NNI's metrics must be
    dicts of figures by objective name. NNI's own checkpoints are not used: the study is the truth,
    and running again with the same study goes on where it stopped.

    Parameters
    ----------
    settings
        Passed to :func:`edgetune.search.run.run_search`.
    """

    def __init__(self, study: Study, strategy: Strategy, **settings: Any) -> None:
        super().__init__()
        self.study = study
        self.strategy = strategy
        self.settings = settings
        self.trials: list[Trial] = []

    def extra_repr(self) -> str:
        return type(self.strategy).__name__

    def _run(self) -> None:
        stop = self.settings.pop("stop", None)
        self.trials = run_search(
            self.study,
            self.strategy,
            self._evaluate,
            stop=lambda: not self.wait_for_resource() or (stop is not None and stop()),
            **self.settings,
        )

    def _evaluate(self, sample: Sample) -> Mapping[str, float]:
        model = self.model_space.freeze(to_nni(self.strategy.problem.space, sample))
        model.metrics.strict = False  # or NNI keeps nothing but a metric called "default"
        self.engine.submit_models(model)
        self.engine.wait_models(model)
        return cast(Mapping[str, float], model.metric or {})


def search_with_nni(
    study: Study,
    strategy: Strategy,
    evaluate: Callable[[Candidate], Mapping[str, float]],
    *,
    build: Callable[[Sample], Candidate] | None = None,
    engine: ExecutionEngine | None = None,
    **settings: Any,
) -> list[Trial]:
    """:func:`edgetune.search.run.run_search` through NNI, in this process unless another engine is given.

    Parameters
    ----------
    evaluate
        The figures by objective name of what `build` made.
    build
        Makes a candidate of a sample, such as a torch module; without it the sample is the candidate.
    settings
        Passed to :func:`edgetune.search.run.run_search`: `trials`, `seed`, `batch`, `on_trial`, `stop`.
    """

    def report(candidate: Candidate) -> None:
        nni.report_final_result(dict(evaluate(candidate)))

    space = NniModelSpace(strategy.problem.space, build or _same)
    executable = SimplifiedModelSpace.from_model(space, FunctionalEvaluator(report))
    nni_strategy = NniStrategy(study, strategy, **settings)
    with _quiet():
        nni_strategy(executable, engine or SequentialExecutionEngine())
    return nni_strategy.trials


def _same(sample: Sample) -> Sample:
    return sample


@contextmanager
def _quiet() -> Iterator[None]:
    """NNI logs every failed trial as an error; the study records it instead."""
    logger = logging.getLogger("nni")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
