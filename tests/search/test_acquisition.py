import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.search.acquisition import (
    Volume,
    confidence_bound,
    directions,
    expected_hypervolume_improvement,
    expected_improvement,
    standard_normal,
    tchebycheff,
)
from edgetune.search.screen import Forecast
from edgetune.search.warp import Warp

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


@pytest.mark.parametrize("known", [False, True])
def test_the_exact_volume_gain_is_the_mean_over_many_draws(known: bool) -> None:
    rng = np.random.default_rng(0)
    front, reference = np.array([[1.0, 6.0], [2.0, 4.0], [5.0, 1.0]]), np.array([7.0, 9.0])
    warp = Warp(np.array([1.0, 2.0, 3.0, 4.0, 9.0]))
    first = Forecast(np.array([1.5, 4.0]), None, None) if known else Forecast(np.zeros(2), np.ones(2) * 0.4, warp)
    second = Forecast(np.array([-0.2, 0.6]), np.array([0.8, 0.5]), warp)
    gains = expected_hypervolume_improvement(front, reference, [first.shortfall, second.shortfall])
    noise = rng.normal(size=(4000, 2))
    drawn = np.stack([first.scenarios(noise[:, 0]), second.scenarios(noise[:, 1])], axis=2)
    before = moocore.hypervolume(front, ref=reference)
    for gain, points in zip(gains, drawn, strict=True):
        after = [moocore.hypervolume(np.vstack([front, point]), ref=reference) for point in points]
        assert gain == pytest.approx(np.mean(after) - before, rel=0.1, abs=0.01)


def test_an_empty_front_leaves_the_whole_reference_to_gain() -> None:
    candidate = Forecast(np.array([1.0]), None, None)
    shortfalls = [candidate.shortfall, candidate.shortfall]
    assert expected_hypervolume_improvement(np.zeros((0, 2)), np.array([3.0, 4.0]), shortfalls) == pytest.approx(6.0)
    assert expected_hypervolume_improvement(np.zeros((0, 1)), np.array([3.0]), shortfalls[:1]) == pytest.approx(2.0)


def test_one_objective_is_judged_as_the_textbooks_do() -> None:
    scenarios = 0.5 + 0.2 * standard_normal(4096, 1).T
    z = (0.4 - 0.5) / 0.2
    expected = 0.2 * (z * 0.3085375 + 0.3520653)  # the normal distribution and density at -0.5
    assert expected_improvement(scenarios, 0.4)[0] == pytest.approx(expected, rel=0.02)
    assert confidence_bound(scenarios, 2.0)[0] == pytest.approx(-0.5 + 2 * 0.2, abs=0.01)


def test_the_worse_weighted_objective_decides() -> None:
    points = np.array([[0.2, 0.6], [0.6, 0.2]])
    assert tchebycheff(points, np.array([0.5, 0.5])) == pytest.approx([0.32, 0.32])
    assert np.argmin(tchebycheff(points, np.array([0.9, 0.1]))) == 0
