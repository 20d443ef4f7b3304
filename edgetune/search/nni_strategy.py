"""Our strategies as NNI strategies, on NNI's execution engines. Importing this imports torch and NNI."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from edgetune.search.engines.base import Engine, Job, Outcome
from edgetune.search.engines.nni_engine import NniEngine
from edgetune.search.run import run_search
from edgetune.search.strategy import Strategy
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.space.nni_space import NniModelSpace, to_nni  # before NNI itself: it silences NNI's import
from edgetune.space.parameters import Sample

import nni  # isort: skip
from nni.nas.evaluator import FunctionalEvaluator  # isort: skip
from nni.nas.execution import SequentialExecutionEngine  # isort: skip
from nni.nas.space import ExecutableModelSpace, SimplifiedModelSpace  # isort: skip
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
        many = isinstance(self.engine, NniEngine)
        self.trials = run_search(
            self.study,
            self.strategy,
            _ManyAtOnce(self.engine, self._model) if many else self._evaluate,
            stop=lambda: not self.wait_for_resource() or (stop is not None and stop()),
            **self.settings,
        )

    def _model(self, sample: Sample) -> ExecutableModelSpace:
        model = self.model_space.freeze(to_nni(self.strategy.problem.space, sample))
        model.metrics.strict = False  # or NNI keeps nothing but a metric called "default"
        return model

    def _evaluate(self, sample: Sample) -> Mapping[str, float]:
        model = self._model(sample)
        self.engine.submit_models(model)
        self.engine.wait_models(model)
        return cast(Mapping[str, float], model.metric or {})


class _ManyAtOnce(Engine):
    """The way through NNI and back to one of our engines."""

    def __init__(self, engine: NniEngine, model: Callable[[Sample], ExecutableModelSpace]) -> None:
        super().__init__(engine.engine.workers)
        self.engine = engine
        self.model = model

    def submit(self, job: Job) -> None:
        model = self.model(job.sample)
        model.job = job
        self.engine.submit_models(model)

    def next(self) -> tuple[Job, Outcome]:
        model = self.engine.wait_one()
        return model.job, model.outcome


def search_with_nni(
    study: Study,
    strategy: Strategy,
    evaluate: Callable[[Candidate], Mapping[str, float]] | Engine,
    *,
    build: Callable[[Sample], Candidate] | None = None,
    **settings: Any,
) -> list[Trial]:
    """:func:`edgetune.search.run.run_search` through NNI.

    Parameters
    ----------
    evaluate
        The figures by objective name of what `build` made, in this process; or one of our engines, whose workers know
        what to do with a sample.
    build
        Makes a candidate of a sample, such as a torch module; without it the sample is the candidate.
    settings
        Passed to :func:`edgetune.search.run.run_search`: `trials`, `seed`, `batch`, `on_trial`, `stop`.
    """
    plain = strategy.problem.space
    engine = NniEngine(evaluate, plain) if isinstance(evaluate, Engine) else SequentialExecutionEngine()
    space = NniModelSpace(plain, build or _same)
    executable = SimplifiedModelSpace.from_model(space, FunctionalEvaluator(_reporting(evaluate)))
    nni_strategy = NniStrategy(study, strategy, **settings)
    with _quiet():
        nni_strategy(executable, engine)
    return nni_strategy.trials


def _reporting(evaluate: Any) -> Callable[[Any], None]:
    """NNI takes no notice of what an evaluation returns: it must be reported."""

    def report(candidate: Any) -> None:
        nni.report_final_result(dict(evaluate(candidate)))

    return report


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
