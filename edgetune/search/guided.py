"""Candidates bred by evolution, screened by what is free to know and by surrogates that learn from every trial."""

from __future__ import annotations

import numpy as np

from edgetune.search.acquisition import SCENARIOS, Volume, expected_hypervolume_improvement
from edgetune.search.model_based import ModelBased
from edgetune.search.screen import Candidates, Screen


class Guided(ModelBased):
    """Expected hypervolume improvement, times the chance that the costly limits hold.

    Cheap figures are computed, not learnt: they count as they are, and serve as features of the others.
    """

    def _scores(self, screen: Screen, candidates: Candidates, rng: np.random.Generator) -> np.ndarray:
        return volume_gain(screen, candidates) * candidates.chance


def volume_gain(screen: Screen, candidates: Candidates) -> np.ndarray:
    """Expected hypervolume improvement: exact for up to two objectives, else over directions and scenarios."""
    if len(screen.reference) <= 2:
        return expected_hypervolume_improvement(screen.front, screen.reference, candidates.shortfalls)
    volume = Volume(screen.front, screen.ideal, screen.reference)
    return volume.expected_improvement(candidates.scenarios(SCENARIOS))
