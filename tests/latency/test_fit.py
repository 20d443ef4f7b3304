"""Intervals that hold as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.latency.fit import conformal_quantile, few_quantile


@given(st.integers(3, 300), st.randoms(use_true_random=False))
def test_the_quantile_is_the_score_of_the_rank_that_the_theorem_names(count: int, random: object) -> None:
    """Lei 2018: of n scores the ⌈0.9 (n + 1)⌉-th smallest, the largest where n is too small for it."""
    scores = np.arange(1.0, count + 1)
    random.shuffle(scores)  # type: ignore[attr-defined]
    assert conformal_quantile(scores) == min(count, -(-9 * (count + 1) // 10))


def test_new_points_fall_within_as_often_as_asked() -> None:
    rng = np.random.default_rng(0)
    draws = np.abs(rng.normal(size=(4000, 40)))
    held = [row[-1] <= conformal_quantile(row[:-1]) for row in draws]
    assert np.mean(held) == pytest.approx(0.9, abs=0.015)  # 39 scores and a new one: the 36th of 40


def test_few_scores_widen_it() -> None:
    steady = np.full(4, 0.674)  # the median of a standard normal's absolute values
    assert few_quantile(steady) > few_quantile(np.tile(steady, 10)) > 0.674
