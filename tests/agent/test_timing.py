"""The protocol, on clocks that tests wind by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from edgetune.agent.timing import FEWEST_RUNS, Protocol, Timing, drift_of, median_interval, quantile, time_runs


class Clock:
    """Monotonic nanoseconds that pass only while a run lasts; `duration` gives the ms of each run by its number."""

    def __init__(self, duration: Callable[[int], float]) -> None:
        self.duration, self.now, self.runs = duration, 0, 0

    def __call__(self) -> int:
        return self.now

    def run(self) -> None:
        self.now += round(1e6 * self.duration(self.runs))
        self.runs += 1


def clocked(duration: Callable[[int], float], **protocol: Any) -> Timing:
    clock = Clock(duration)
    return time_runs(clock.run, Protocol(**protocol), clock=clock)


@given(st.lists(st.floats(0.001, 1e3), min_size=1), st.floats(0, 1))
def test_quantiles_are_numpys(values: list[float], share: float) -> None:
    assert quantile(sorted(values), share) == pytest.approx(np.quantile(values, share))


@pytest.mark.parametrize("runs", [5, 10, 30, 101, 1000])
def test_the_medians_interval_holds_it_in_95_of_100_cases(runs: int) -> None:
    """The coverage in closed form: ranks l to u hold the median if l to u-1 of n samples lie below it."""
    low, high = median_interval(range(1, runs + 1))
    covered = binom.cdf(high - 1, runs, 0.5) - binom.cdf(low - 1, runs, 0.5)
    assert covered >= 0.93
    if runs >= 30:
        assert covered <= 0.99


def test_figures_are_those_of_the_runs() -> None:
    random = np.random.default_rng(0)
    durations = np.round(random.gamma(100, 0.02, 100_000), 6)
    timing = clocked(lambda run: durations[run], max_seconds=60.0)
    kept = durations[timing.warmup_runs : timing.warmup_runs + timing.runs]
    assert timing.cold_start_ms == pytest.approx(durations[0])
    assert timing.p50_ms == pytest.approx(np.median(kept))
    assert timing.p90_ms == pytest.approx(np.quantile(kept, 0.9))
    assert timing.p99_ms == pytest.approx(np.quantile(kept, 0.99))
    assert timing.mean_ms == pytest.approx(kept.mean())
    assert timing.min_ms == kept.min()
    assert timing.seconds == pytest.approx(kept.sum() / 1e3)


def test_a_warm_up_lasts_until_runs_are_steady_and_does_not_count() -> None:
    timing = clocked(lambda run: 5.0 if run >= 50 else 50.0 - 0.9 * run)
    assert timing.p50_ms == timing.min_ms == pytest.approx(5.0)
    assert timing.p99_ms == pytest.approx(5.0)
    assert timing.warmup_runs > 50
    assert timing.cold_start_ms == pytest.approx(50.0)


def test_a_steady_run_ends_at_the_least_seconds_and_a_noisy_one_goes_on() -> None:
    assert clocked(lambda run: 1.0, min_seconds=0.5).runs == pytest.approx(500, rel=0.11)
    random = np.random.default_rng(1)
    noisy = clocked(lambda run: random.gamma(4, 0.25), min_seconds=0.5, max_seconds=60.0)
    low, high = noisy.median_interval_ms
    assert noisy.runs > 3000
    assert noisy.steady
    assert max(high - noisy.p50_ms, noisy.p50_ms - low) <= 0.01 * noisy.p50_ms


def test_a_slow_model_gets_the_fewest_runs() -> None:
    timing = clocked(lambda run: 30_000.0)
    assert timing.runs == FEWEST_RUNS
    assert timing.warmup_runs <= 2


def test_a_drift_is_not_steady_and_ends_in_time() -> None:
    timing = clocked(lambda run: 1.0 + run * 1e-4, max_seconds=5.0, warmup_seconds=0.1)
    assert not timing.steady
    assert timing.seconds == pytest.approx(5.0, rel=0.01)
    assert timing.drift > 0.02


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=15))
def test_drift_does_not_care_for_the_direction_of_time(samples: list[int]) -> None:
    samples = samples * 4  # which quarters cut evenly
    samples = samples[1:] + samples[:1]
    assert drift_of(samples) == pytest.approx(drift_of(samples[::-1]))
    assert drift_of([7] * len(samples)) == 0


@given(st.lists(st.integers(100, 110), min_size=40, max_size=60), st.integers(0, 3))
def test_a_slow_quarter_is_seen_wherever_it_lies(samples: list[int], slow: int) -> None:
    """Two halves would not see the second and third quarter both slow, nor a short spell in the middle."""
    quarter = len(samples) / 4
    disturbed = [2 * ms if slow <= place // quarter < slow + 1 else ms for place, ms in enumerate(samples)]
    assert drift_of(disturbed) >= 2 * 100 / 110 - 1
