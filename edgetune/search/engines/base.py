"""The seam between the search loop and wherever trials are evaluated."""

from __future__ import annotations

import json
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from types import TracebackType
from typing import Any, Self

import numpy as np

from edgetune.search.learning_curve import Bars, Hopeless, recording
from edgetune.space.parameters import Sample

Evaluate = Callable[[Sample], Mapping[str, float]]


@dataclass(frozen=True)
class EvaluatorSource:
    """Where another process finds the evaluation: a factory by name and what to call it with, so nothing is pickled.

    Parameters
    ----------
    factory
        `"package.module:function"`; it is called once a process and returns the :data:`Evaluate`.
    arguments
        Keyword arguments that JSON can hold.
    """

    factory: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Evaluate:
        module, _, name = self.factory.partition(":")
        evaluate: Evaluate = getattr(import_module(module), name)(**self.arguments)
        return evaluate

    def to_json(self) -> str:
        return json.dumps({"factory": self.factory, "arguments": dict(self.arguments)})

    @classmethod
    def from_json(cls, text: str) -> EvaluatorSource:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Job:
    """One trial to evaluate. The same job gives the same figures wherever it runs."""

    number: int
    sample: Sample
    seed: int
    bars: Bars | None = None

    def to_json(self) -> str:
        bars = None if self.bars is None else self.bars.to_json()
        return json.dumps({"number": self.number, "sample": dict(self.sample.values), "seed": self.seed, "bars": bars})

    @classmethod
    def from_json(cls, text: str) -> Job:
        given = json.loads(text)
        bars = None if given["bars"] is None else Bars.from_json(given["bars"])
        return cls(given["number"], Sample(given["sample"]), given["seed"], bars)


@dataclass(frozen=True)
class Outcome:
    """What came of a job: figures as they were reported, or `error`.

    Parameters
    ----------
    seconds
        Wall-clock cost of the evaluation.
    curve
        What was reported after each step of a training, see :mod:`edgetune.search.learning_curve`.
    stopped
        The curve was hopeless; `error` says where.
    """

    values: Mapping[str, float] | None = None
    error: str | None = None
    seconds: float = 0.0
    curve: tuple[float, ...] = ()
    stopped: bool = False

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        outcome = cls(**json.loads(text))
        return replace(outcome, curve=tuple(outcome.curve))


class Engine(ABC):
    """Evaluates jobs, perhaps many at a time, perhaps elsewhere. Use it as a context manager.

    Parameters
    ----------
    workers
        How many jobs are under way at once; submit no more than that.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    @abstractmethod
    def submit(self, job: Job) -> None:
        """Begins a job."""

    @abstractmethod
    def next(self) -> tuple[Job, Outcome]:
        """Waits until one of the jobs under way is finished. Whatever went wrong with it is its outcome's error.

        Raises
        ------
        EngineError
            No job can be evaluated: workers do not start, the cluster is gone.
        """

    def close(self) -> None:  # noqa: B027 — not every engine has something to end
        """Ends the workers; jobs under way are lost."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def run_job(evaluate: Evaluate, job: Job) -> Outcome:
    """Evaluates in this process. Python's, numpy's and torch's global generators are seeded first."""
    seed_everything(job.seed)
    started = time.perf_counter()
    outcome = Outcome()
    with recording(job.bars) as curve:
        try:
            outcome = Outcome(values={str(name): float(value) for name, value in evaluate(job.sample).items()})
        except Hopeless as reason:
            outcome = Outcome(error=str(reason), stopped=True)
        except Exception as reason:
            outcome = Outcome(error=f"{type(reason).__name__}: {reason}")
    return replace(outcome, seconds=time.perf_counter() - started, curve=tuple(curve))


def trial_seed(seed: int, number: int) -> int:
    """A trial's seed comes from the search's and its number alone, so that a resumed search repeats it."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)
