import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.search.warp import Warp

figures = st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=30)


@given(figures)
def test_it_is_monotone_and_undone(values: list[float]) -> None:
    column = np.sort(np.array(values))
    warp = Warp(column)
    assert (np.diff(warp.forward(column)) >= 0).all()
    assert warp.backward(warp.forward(column)) == pytest.approx(np.minimum(column, warp.cap), rel=1e-6, abs=1e-6)


def test_hopeless_figures_do_not_stretch_the_scale() -> None:
    usual = np.array([5.0, 6.0, 7.0, 8.0, 9.0])
    assert Warp(np.append(usual, 1e9)).cap < 50


def test_luck_makes_no_hopeless_figure_count() -> None:
    warp = Warp(np.array([5.0, 6.0, 7.0, 8.0, 9.0, 1e9]))
    hopeless = warp.forward(np.array([1e9, 1e3]))
    shortfall = warp.shortfall(np.array([warp.worst]), hopeless, np.full(2, 0.1))
    assert shortfall.max() < 1e-3 * warp.span


def test_the_worst_that_counts_is_tukeys_outer_fence() -> None:
    assert Warp(np.array([5.0, 6.0, 7.0, 8.0, 9.0, 1e9])).worst == pytest.approx(8.75 + 3 * (8.75 - 6.25))


def test_how_far_the_best_may_be_improved_is_not_bounded() -> None:
    warp = Warp(np.array([5.0, 6.0, 7.0, 8.0, 9.0]))
    assert warp.backward(np.array([-50.0]))[0] < -50


def test_the_shortfall_is_the_mean_over_many_draws() -> None:
    warp = Warp(np.array([5.0, 6.0, 7.0, 8.0, 9.0, 30.0]))
    mean, deviation = np.array([-1.0, 0.0, 0.5, 2.0]), np.array([0.1, 0.5, 1.0, 0.8])
    bounds = np.array([4.0, 6.5, 8.0, 14.0])
    noise = np.random.default_rng(0).normal(size=400_000)
    drawn = warp.backward(mean[:, None] + deviation[:, None] * noise)
    expected = np.array([np.maximum(bound - drawn, 0).mean(axis=1) for bound in bounds]).T
    assert warp.shortfall(bounds, mean, deviation) == pytest.approx(expected, rel=0.02, abs=0.01)
