"""The choice of networks: against the closed form of Bayesian regression, and better than chance."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edgetune.latency.cost_model import Prior
from edgetune.latency.design import choose, observe
from edgetune.latency.suggest import suggest_networks


def posterior(covariance: np.ndarray, rows: np.ndarray, noise: float) -> np.ndarray:
    """In the form of information matrices, which the code does not use."""
    return np.linalg.inv(np.linalg.inv(covariance) + rows.T @ rows / noise**2)


@given(st.integers(0, 1000), st.integers(1, 4))
def test_an_observation_is_bayes_rule(seed: int, observations: int) -> None:
    rng = np.random.default_rng(seed)
    root, rows = rng.normal(size=(5, 5)), rng.normal(size=(observations, 5))
    covariance = root @ root.T + np.eye(5)
    np.testing.assert_allclose(observe(covariance, rows, 0.3), posterior(covariance, rows, 0.3), rtol=1e-6, atol=1e-8)


@given(st.integers(0, 1000))
def test_the_first_choice_is_the_best_of_all(seed: int) -> None:
    """Each candidate tried, its mean posterior variance over the targets computed outright."""
    rng = np.random.default_rng(seed)
    candidates = [rng.normal(size=(rng.integers(1, 4), 6)) for _ in range(8)]
    targets = rng.normal(size=(5, 6))
    left = [np.trace(targets @ posterior(np.eye(6), rows, 0.5) @ targets.T) for rows in candidates]
    assert choose(candidates, targets, np.eye(6), 1, noise=0.5) == [int(np.argmin(left))]


def test_chosen_networks_leave_less_uncertainty_than_random_ones() -> None:
    rng = np.random.default_rng(0)
    candidates, targets = [rng.normal(size=(1, 12)) * rng.random(12) ** 3 for _ in range(60)], rng.normal(size=(20, 12))

    def left(picks: list[int]) -> float:
        return float(
            np.trace(targets @ posterior(np.eye(12), np.vstack([candidates[i] for i in picks]), 0.1) @ targets.T)
        )

    chosen = left(choose(candidates, targets, np.eye(12), 8, noise=0.1))
    assert chosen < min(left(list(rng.permutation(60)[:8])) for _ in range(20))


def test_suggested_networks_differ_in_kind() -> None:
    setting, names = suggest_networks("a-new-board", 6, runtime="ncnn")
    assert setting.runtime == "ncnn" and len(set(names)) == 6
    assert names[:3] == suggest_networks("a-new-board", 3, runtime="ncnn")[1]


def test_two_sources_together_are_the_product_of_their_densities() -> None:
    """Variances 1 and 4, means 0 and 5: the precision-weighted mean, 1, and variance 4/5."""
    both = Prior.of(np.zeros(1), np.eye(1)).times(Prior.of(np.array([5.0]), 4 * np.eye(1)))
    np.testing.assert_allclose([both.mean[0], 1 / both.precision[0, 0]], [1.0, 0.8])
