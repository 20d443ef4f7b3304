"""The strategies by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edgetune.errors import ConfigError, nearest
from edgetune.search.problem import Problem
from edgetune.search.settings import check_count, check_names
from edgetune.search.strategy import Strategy

STRATEGIES = {
    "guided": ("edgetune.search.guided", "Guided"),
    "bayesian": ("edgetune.search.bayesian", "Bayesian"),
    "nsga2": ("edgetune.search.nsga2", "NSGA2"),
    "regularized-evolution": ("edgetune.search.regularized_evolution", "RegularizedEvolution"),
    "grid": ("edgetune.search.grid", "GridSearch"),
    "random": ("edgetune.search.random", "RandomSearch"),
}


def make_strategy(name: str, problem: Problem, *, seed: int = 0, **settings: Any) -> Strategy:
    """The strategy called `name`.

    Raises
    ------
    ConfigError
        No strategy has this name, or it has no such setting; a setting or the seed has no meaning.
    """
    if name not in tuple(STRATEGIES):
        raise ConfigError(f"unknown strategy {name!r}", where="strategy", mend=nearest(str(name), STRATEGIES))
    module, attribute = STRATEGIES[name]
    make = getattr(import_module(module), attribute)
    check_count("seed", seed, least=0)
    check_names(make, name, settings)
    strategy: Strategy = make(problem, seed=seed, **settings)
    return strategy
