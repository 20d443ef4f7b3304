"""On which cores a measurement runs: the fastest, always the same ones."""

from __future__ import annotations

import os
from pathlib import Path


def bind(threads: int) -> tuple[int, ...]:
    """Binds this process to the fastest `threads` cores it may use, the last ones of these, and names them."""
    allowed = sorted(os.sched_getaffinity(0), key=lambda core: (_fastest_khz(core), core))
    if len(allowed) < threads:
        return ()
    chosen = allowed[-threads:]
    try:
        os.sched_setaffinity(0, chosen)
    except OSError:
        return ()
    return tuple(sorted(chosen))


def _fastest_khz(core: int) -> int:
    try:
        return int(Path(f"/sys/devices/system/cpu/cpu{core}/cpufreq/cpuinfo_max_freq").read_text())
    except (OSError, ValueError):
        return 0
