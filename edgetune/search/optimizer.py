"""The search engine for anything, in the manner of ask and tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from edgetune.errors import ConfigError, nearest
from edgetune.search.catalogue import make_strategy
from edgetune.search.cheap import Cheap
from edgetune.search.objective import Direction, Objective
from edgetune.search.pareto import front
from edgetune.search.problem import Problem
from edgetune.search.run import judged
from edgetune.search.trial import Trial
from edgetune.space.describe import space_of
from edgetune.space.parameters import Sample, Value

Function: TypeAlias = Callable[[dict[str, Value]], float]
Functions: TypeAlias = Callable[[list[dict[str, Value]]], Sequence[float]]


@dataclass(frozen=True)
class CheapFunction:
    """A figure that is known without a trial; made by :func:`cheap`."""

    function: Function
    direction: Direction | None
    many: Functions | None = None
    optimize: bool = True


Given: TypeAlias = Direction | CheapFunction | Objective


def cheap(
    function: Function,
    direction: Direction | None = "minimize",
    *,
    many: Functions | None = None,
    optimize: bool = True,
) -> CheapFunction:
    """A figure computed from a sample (a dict from label to value), so that its limit costs no trial.

    Parameters
    ----------
    direction
        None: it is no objective, but `guided` and `bayesian` learn from it.
    many
        The same for a list of samples, where that is quicker: `guided` asks for hundreds at a time.
    optimize
        False: only its limit counts, the figure takes no part in the front.
    """
    return CheapFunction(function, direction, many, optimize)


class Optimizer:
    """Multi-objective search over a space of choices and ranges.

    Parameters
    ----------
    space
        A dict from label to a list of options or a range (:func:`edgetune.space.describe.space_of` says what else).
    objectives
        Name to "minimize" or "maximize"; a function (:func:`cheap`) for one that costs nothing;
        an :class:`Objective` for more.
    limits
        Hard limit by objective name: at most when minimised, at least when maximised.
    strategy
        Name of a strategy: `guided` takes the fewest evaluations, `nsga2` the least time for a proposal.
    seed
        The same seed and the same answers give the same samples.
    settings
        Passed to the strategy.

    Examples
    --------
    >>> opt = Optimizer({"x": list(range(10))}, {"a": "minimize", "b": "maximize"}, strategy="random")
    >>> for _ in range(5):
    ...     samples = opt.ask(2)
    ...     opt.tell(samples, [{"a": s["x"], "b": s["x"] ** 2} for s in samples])
    >>> sorted(trial.sample["x"] for trial in opt.front())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

    Raises
    ------
    SpaceError
        The space means nothing.
    ConfigError
        So do the objectives, a limit names none of them, the strategy is unknown, or it has no such setting.
    """

    def __init__(
        self,
        space: Any,
        objectives: Mapping[str, Given],
        *,
        limits: Mapping[str, float] | None = None,
        strategy: str = "guided",
        seed: int = 0,
        **settings: Any,
    ) -> None:
        self.problem = Problem(space_of(space), _objectives(objectives, limits or {}), _cheap(objectives))
        self.strategy = make_strategy(strategy, self.problem, seed=seed, **settings)
        self.trials: list[Trial] = []

    def ask(self, n: int = 1) -> list[dict[str, Value]]:
        """Up to `n` samples to evaluate next; fewer when the space holds no more.

        Raises
        ------
        InfeasibleError
            No sample holds the cheap limits.
        """
        return [dict(sample.values) for sample in self.strategy.ask(n)]

    def tell(self, samples: Sequence[Mapping[str, Value]], values: Sequence[Mapping[str, float] | None]) -> None:
        """What came of samples, asked for or not: figures by objective name, or None for one that failed.

        Cheap figures may be left out. A trial whose objective is missing, no number or not finite has failed; what else
        is no number is dropped.

        Raises
        ------
        SpaceError
            A sample does not belong to the space.
        ConfigError
            Not a list of samples and one of as many results.
        """
        _check_told(samples, values)
        pairs = [(self.problem.space.sample(sample), value) for sample, value in zip(samples, values, strict=True)]
        start = len(self.trials)
        told = [self._trial(number, sample, value) for number, (sample, value) in enumerate(pairs, start)]
        self.strategy.tell(told)
        self.trials += told

    def front(self) -> list[Trial]:
        """The non-dominated trials that hold every limit."""
        return front(self.problem, self.trials)

    def nearest(self) -> Trial | None:
        """The trial that comes closest to holding every limit, to learn from while the front is empty.

        Its figures are limits that can be held. None where every trial failed.
        """
        known = [trial for trial in self.trials if trial.values is not None]
        return min(known, key=self.problem.violation, default=None)

    def _trial(self, number: int, sample: Sample, values: Mapping[str, float] | None) -> Trial:
        known = self.problem.cheap_values(sample)
        figures, error = (None, "failed") if values is None else judged(self.problem, {**known, **values})
        return Trial(number, sample, figures, self.problem.state(figures), seed=0, error=error)


def _check_told(samples: Any, values: Any) -> None:
    if not _is_list(samples, Mapping):
        raise ConfigError("samples that are no list of dicts", where="tell", mend="give those that ask gave")
    if not _is_list(values, Mapping | None):
        mend = "give a dict of figures by objective name for each sample, or None"
        raise ConfigError("results that are no list of dicts", where="tell", mend=mend)
    if len(samples) != len(values):
        raise ConfigError(f"{len(samples)} samples but {len(values)} results", where="tell", mend="give one for each")


def _is_list(given: Any, kind: Any) -> bool:
    return isinstance(given, Sequence) and all(isinstance(one, kind) for one in given)


def _check_mapping(where: str, given: Any, example: str) -> None:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{given!r} is not a dict", where=where, mend=f"write {example}")


def _objectives(given: Mapping[str, Given], limits: Mapping[str, float]) -> tuple[Objective, ...]:
    _check_mapping("objectives", given, '{"error": "minimize"}')
    _check_mapping("limits", limits, '{"error": 0.1}')
    learnt = [name for name, what in given.items() if isinstance(what, CheapFunction) and what.direction is None]
    given = {name: what for name, what in given.items() if name not in learnt}
    for name in limits:
        if name not in given:
            raise ConfigError(f"a limit on {name!r}, which is no objective", where="limits", mend=nearest(name, given))
    objectives = [_objective(name, what) for name, what in given.items()]
    return tuple(replace(objective, limit=limits.get(objective.name, objective.limit)) for objective in objectives)


def _objective(name: str, what: Any) -> Objective:
    if isinstance(what, Objective):
        return replace(what, name=name)
    if isinstance(what, CheapFunction):
        assert what.direction is not None
        return Objective(name, what.direction, cheap=True, optimize=what.optimize)
    if callable(what):
        mend = "wrap what costs nothing to compute in edgetune.cheap(…), and tell what costs a trial"
        raise ConfigError("a function is no direction", where=name, mend=mend)
    return Objective(name, what)


@dataclass(frozen=True)
class _Functions:
    """The cheap functions as one, by objective name."""

    functions: Mapping[str, CheapFunction]

    def __call__(self, sample: Sample) -> dict[str, float]:
        return self.many([sample])[0]

    def many(self, samples: Sequence[Sample]) -> list[dict[str, float]]:
        columns = {name: _asked(what, samples) for name, what in self.functions.items()}
        return [{name: float(column[i]) for name, column in columns.items()} for i in range(len(samples))]


def _asked(what: CheapFunction, samples: Sequence[Sample]) -> Sequence[float]:
    given = [dict(sample.values) for sample in samples]
    return what.many(given) if what.many else [what.function(values) for values in given]


def _cheap(given: Mapping[str, Given]) -> Cheap | None:
    functions = {name: what for name, what in given.items() if isinstance(what, CheapFunction)}
    return _Functions(functions) if functions else None
