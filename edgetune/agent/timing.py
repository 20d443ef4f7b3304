"""The timing protocol: how one inference is clocked until its median is known.

After MLPerf loadgen's single stream (one inference a sample, a least number of runs and seconds) and optimum-benchmark
(warm-up apart, percentiles), with two additions: warm-up ends when the runs are steady, and sampling when the median's
confidence interval is narrow. docs/measuring.md tells it in words. Only the standard library is needed.
"""

from __future__ import annotations

import gc
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

MS = 1e6  # nanoseconds
Z_95 = 1.959963984540054
GROWTH = 1.1
"""The interval is computed anew each time the samples have grown by this factor: sorting costs time and caches."""


@dataclass(frozen=True)
class Protocol:
    """How long to clock.

    Attributes
    ----------
    min_runs, min_seconds
        Both are reached before sampling may end.
    max_seconds
        Sampling ends here, steady or not; at least `FEWEST_RUNS` are taken however long they last.
    warmup_seconds
        The longest warm-up.
    precision
        Sampling ends when the 95 % interval of the median is within this share of it, to either side.
    drift
        The samples are cut in four, in the order of time; medians that differ by more than this share are not steady.
    """

    min_runs: int = 30
    min_seconds: float = 1.0
    max_seconds: float = 20.0
    warmup_seconds: float = 5.0
    precision: float = 0.01
    drift: float = 0.02


DEFAULT = Protocol()
FEWEST_RUNS = 5
MOST_RUNS = 200_000
PARTS = 4
WINDOW_RUNS, WINDOW_SECONDS = 5, 0.05


@dataclass(frozen=True)
class Timing:
    """What the clock said, in milliseconds an inference.

    Attributes
    ----------
    median_interval_ms
        Distribution-free 95 % confidence interval of the median.
    spread
        (p90 - p10) / p50.
    drift
        Relative difference between the lowest and the highest median of the runs' four quarters.
    steady
        The interval is as narrow and the drift as small as the protocol asks.
    cold_start_ms
        The very first inference.
    """

    runs: int
    warmup_runs: int
    seconds: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    mean_ms: float
    min_ms: float
    spread: float
    median_interval_ms: tuple[float, float]
    drift: float
    steady: bool
    cold_start_ms: float


def time_runs(
    run: Callable[[], object],
    protocol: Protocol = DEFAULT,
    *,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Timing:
    """Clocks `run`, one inference a call.

    Parameters
    ----------
    clock
        Nanoseconds of a monotonic clock: setting the date does not touch it.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        cold = _clocked(run, clock)
        warmup_runs = warm_up(run, protocol, clock) + 1
        samples = sample(run, protocol, clock)
    finally:
        if collecting:
            gc.enable()
    return _timing(samples, warmup_runs, cold, protocol)


def warm_up(run: Callable[[], object], protocol: Protocol, clock: Callable[[], int]) -> int:
    """Runs windows until two in a row have medians within the drift allowed, or time is up; returns the runs."""
    deadline = clock() + protocol.warmup_seconds * 1e9
    runs, before = 0, math.nan
    while True:
        window: list[int] = []
        while len(window) < WINDOW_RUNS or sum(window) < WINDOW_SECONDS * 1e9:
            window.append(_clocked(run, clock))
            if clock() >= deadline:
                return runs + len(window)
        runs += len(window)
        median = quantile(sorted(window), 0.5)
        if abs(median - before) <= protocol.drift * median:
            return runs
        before = median


def sample(run: Callable[[], object], protocol: Protocol, clock: Callable[[], int]) -> list[int]:
    """Nanoseconds of each run, until the median is known well enough or time is up."""
    samples: list[int] = []
    began = clock()
    look = protocol.min_runs
    while len(samples) < MOST_RUNS:
        samples.append(_clocked(run, clock))
        seconds = (clock() - began) / 1e9
        if seconds >= protocol.max_seconds and len(samples) >= FEWEST_RUNS:
            break
        if len(samples) >= look and seconds >= protocol.min_seconds:
            if _steady(samples, protocol):
                break
            look = math.ceil(len(samples) * GROWTH)
    return samples


def quantile(ordered: Sequence[float], share: float) -> float:
    """Linear between neighbours, as numpy's percentile.

    >>> quantile([1, 2, 3, 4], 0.5)
    2.5
    """
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def median_interval(ordered: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the median from order statistics, for whatever distribution.

    Conover, Practical Nonparametric Statistics (1999), 3.2: the ranks n/2 ± 1.96 √n/2.

    >>> median_interval(range(1, 101))
    (40, 61)
    """
    n = len(ordered)
    half = Z_95 * math.sqrt(n) / 2
    low, high = math.floor(n / 2 - half), math.ceil(n / 2 + half) + 1
    return ordered[max(low, 1) - 1], ordered[min(high, n) - 1]


def drift_of(samples: Sequence[float]) -> float:
    """Relative difference between the lowest and the highest median of the quarters, in the order of time.

    >>> drift_of([10, 10, 15, 15, 11, 11, 10, 10])
    0.5
    """
    edges = [round(len(samples) * part / PARTS) for part in range(PARTS + 1)]
    parts = [samples[low:high] for low, high in itertools.pairwise(edges) if high > low]
    medians = [quantile(sorted(part), 0.5) for part in parts]
    return max(medians) / min(medians) - 1


def _steady(samples: Sequence[int], protocol: Protocol) -> bool:
    ordered = sorted(samples)
    median = quantile(ordered, 0.5)
    low, high = median_interval(ordered)
    narrow = max(high - median, median - low) <= protocol.precision * median
    return narrow and drift_of(samples) <= protocol.drift


def _clocked(run: Callable[[], object], clock: Callable[[], int]) -> int:
    start = clock()
    run()
    return max(clock() - start, 1)  # a clock's tick is the least that can be told


def _timing(samples: list[int], warmup_runs: int, cold: int, protocol: Protocol) -> Timing:
    ordered = sorted(samples)
    p10, p50, p90, p99 = (quantile(ordered, share) / MS for share in (0.1, 0.5, 0.9, 0.99))
    low, high = median_interval(ordered)
    return Timing(
        runs=len(samples),
        warmup_runs=warmup_runs,
        seconds=sum(samples) / 1e9,
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99,
        mean_ms=sum(samples) / len(samples) / MS,
        min_ms=ordered[0] / MS,
        spread=(p90 - p10) / p50,
        median_interval_ms=(low / MS, high / MS),
        drift=drift_of(samples),
        steady=_steady(samples, protocol),
        cold_start_ms=cold / MS,
    )
