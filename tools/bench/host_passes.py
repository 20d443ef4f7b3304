"""How well the figures of `edgetune profile --device host` agree with themselves, on this machine as busy as it is.

    python -m tools.bench.host_passes

Fifteen networks are visited as the profile does it, in random turns, in two passes one after the other.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from edgetune.latency.reference import reference_graph
from edgetune.pipeline.clocking import clock_network
from tools.bench.host_latency import error, share

NETWORKS = (
    *(f"probe-{i}" for i in (5, 22, 41, 70)),
    *(f"mobile-small-{r}-random-{i}" for r, i in ((28, 14), (32, 15), (48, 16), (64, 17))),
    *(f"mobile-large-{r}-random-{i}" for r, i in ((96, 15), (128, 16), (160, 17), (192, 18), (224, 19))),
    "mobilenet-v1-0.5-160",
    "mobilenet-v2-0.75-160",
)
VISITS = 5


def main() -> None:
    graphs = [reference_graph(name) for name in NETWORKS]
    order, began = np.random.default_rng(0), time.monotonic()
    found = np.empty((2, VISITS, len(graphs)))
    with tempfile.TemporaryDirectory() as scratch:
        for visits in found:
            for latencies in visits:
                for i in order.permutation(len(graphs)):
                    latencies[i] = clock_network(NETWORKS[i], graphs[i], Path(scratch)).latency_ms
    seconds = (time.monotonic() - began) / found.size
    print(f"{len(graphs)} networks, {seconds:.1f} s a visit; two passes, the lowest of so many visits each:")
    for count in range(1, VISITS + 1):
        first, second = found[:, :count].min(axis=1)
        print(f"{count}: {share(first, second):.0f} % within ±10 %, {100 * error(first, second).mean():.1f} % apart")


if __name__ == "__main__":
    main()
