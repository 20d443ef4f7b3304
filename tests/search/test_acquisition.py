import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.search.acquisition import Volume, directions, standard_normal

SPHERE = {1: 1.0, 2: np.pi / 4, 3: np.pi / 6}  # volume of the unit ball's positive orthant


@pytest.mark.parametrize("objectives", [1, 2, 3])
@given(seed=st.integers(0, 2**32 - 1))
def test_the_mean_over_directions_is_the_hypervolume(objectives: int, seed: int) -> None:
    points = np.random.default_rng(seed).random((8, objectives))
    volume = Volume(points, np.zeros(objectives), np.ones(objectives))
    assert SPHERE[objectives] * volume.best.mean() == pytest.approx(
        moocore.hypervolume(points, ref=np.ones(objectives)), abs=0.03
    )


def test_expected_improvement_of_one_objective_is_the_textbooks() -> None:
    """Jones, Schonlau and Welch 1998: s(z Φ(z) + φ(z)) with z = (best - m) / s."""
    from scipy.stats import norm

    mean, deviation, best = 0.5, 0.2, 0.4
    scenarios = (mean + deviation * standard_normal(4096, 1))[None]
    z = (best - mean) / deviation
    expected = deviation * (z * norm.cdf(z) + norm.pdf(z))
    volume = Volume(np.array([[best]]), np.array([0.0]), np.array([1.0]))
    assert volume.expected_improvement(scenarios)[0] == pytest.approx(expected, rel=0.02)


def test_a_candidate_dominated_for_sure_improves_nothing() -> None:
    volume = Volume(np.array([[0.2, 0.2]]), np.zeros(2), np.ones(2))
    scenarios = np.array([[[0.3, 0.3]], [[0.1, 0.5]]])
    gains = volume.expected_improvement(scenarios)
    assert gains[0] == 0 < gains[1]


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
def test_draws_are_standard_normal(dimensions: int) -> None:
    draws = standard_normal(1024, dimensions)
    assert draws.mean(axis=0) == pytest.approx(np.zeros(dimensions), abs=0.03)
    assert np.cov(draws.T).reshape(dimensions, dimensions) == pytest.approx(np.eye(dimensions), abs=0.1)


def test_directions_are_unit_vectors_off_the_borders() -> None:
    for objectives in (1, 2, 3, 4):
        vectors = directions(objectives)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1) and (vectors > 0).all()
