"""Bayesian optimisation over encoded samples, with the acquisitions of the field."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from edgetune.errors import ConfigError, nearest
from edgetune.search.acquisition import confidence_bound, expected_improvement, tchebycheff
from edgetune.search.guided import volume_gain
from edgetune.search.model_based import ModelBased
from edgetune.search.problem import Problem
from edgetune.search.screen import Candidates, Screen
from edgetune.search.settings import check_positive

Acquisition = Literal["hybrid", "ei", "ucb", "ehvi"]
ACQUISITIONS: tuple[str, ...] = get_args(Acquisition)

SCENARIOS = 64  # well spread draws; the mean of a bent normal needs more of them than a hypervolume


class Bayesian(ModelBased):
    """A Gaussian process over samples; what is not active in one takes no part in its distance to others of its kind.

    Many objectives are made one by a random direction for each proposal (ParEGO, Knowles 2006), but for `ehvi`.

    Parameters
    ----------
    acquisition
        `ei`: expected improvement. `ucb`: confidence bound. `ehvi`: expected hypervolume improvement.
        `hybrid`: α·EI + (1 − α)·UCB, both scaled to 0 to 1 over the candidates.
    kappa
        Standard deviations of the confidence bound.
    half_life
        Proposals after which the hybrid's α, at first 1, has halved.

    Raises
    ------
    ConfigError
        No acquisition has this name; `kappa` or `half_life` is not above 0.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        initial: int | None = None,
        acquisition: Acquisition = "hybrid",
        kappa: float = 2.0,
        half_life: float = 30.0,
    ) -> None:
        super().__init__(problem, seed=seed, initial=initial)
        check_positive("kappa", kappa)
        check_positive("half_life", half_life)
        if acquisition not in ACQUISITIONS:
            mend = nearest(str(acquisition), ACQUISITIONS)
            raise ConfigError(f"unknown acquisition {acquisition!r}", where="bayesian", mend=mend)
        self.acquisition = acquisition
        self.kappa = kappa
        self.half_life = half_life

    @property
    def alpha(self) -> float:
        """The weight of expected improvement in the next proposal of the hybrid."""
        return float(0.5 ** (max(len(self.known) - self.initial, 0) / self.half_life))

    def _scores(self, screen: Screen, candidates: Candidates, rng: np.random.Generator) -> np.ndarray:
        if self.acquisition == "ehvi":
            return volume_gain(screen, candidates) * candidates.chance
        weights = rng.dirichlet(np.ones(len(screen.reference)))
        span = np.maximum(screen.reference - screen.ideal, 1e-12)
        scenarios = tchebycheff((candidates.scenarios(SCENARIOS) - screen.ideal) / span, weights)
        reached = tchebycheff((screen.front - screen.ideal) / span, weights)
        improvement = expected_improvement(scenarios, np.min(reached, initial=1.0)) * candidates.chance
        bound = _unit(confidence_bound(scenarios, self.kappa)) * candidates.chance
        if self.acquisition == "ei":
            return improvement
        if self.acquisition == "ucb":
            return bound
        return self.alpha * _unit(improvement) + (1 - self.alpha) * bound


def _unit(scores: np.ndarray) -> np.ndarray:
    """From 0, the worst candidate, to 1, the best."""
    return np.asarray((scores - scores.min()) / (np.ptp(scores) or 1.0))
