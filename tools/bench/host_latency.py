"""This machine, live: how well the profile that `edgetune profile` made predicts networks it never saw.

    edgetune profile --device host && python -m tools.bench.latency host

A hundred samples of the mobile spaces and twenty published networks are clocked in ten passes, each in another order,
in processor time of the one thread (the wall's on an idle machine): nine minutes where nothing else runs. As in the
profile, a visit's fastest run is its figure and the lowest visit counts; beside it stands the lowest of the visits'
medians, what a user would clock in a quiet moment. What the odd and the even passes differ by is the noise that no
predictor can beat. The peers are fitted to the latencies of the same networks as the profile.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgetune.agent.runtimes import OnnxRuntime
from edgetune.agent.timing import time_runs
from edgetune.latency.cost_model import Array
from edgetune.latency.features import features_of, machine_of
from edgetune.latency.graph import Graph
from edgetune.latency.measurements import board_measurements
from edgetune.latency.predictor import Predictor
from edgetune.latency.reference import reference_graph
from edgetune.latency.stored_graphs import profile_reader
from edgetune.latency.to_onnx import to_onnx
from edgetune.pipeline import clocking
from tools.bench.peers import Additive, boosted

FIRST_SEED = 1_000_000
"""Beyond any that `edgetune profile` clocks."""
SAMPLES = (
    *(f"mobile-small-{r}-random-{FIRST_SEED + i}" for i, r in enumerate((28, 32, 48, 28, 32) * 12)),
    *(f"mobile-large-{r}-random-{FIRST_SEED + i}" for i, r in enumerate((96, 128, 160, 224) * 10)),
)
REFERENCES = (
    "mobilenet-v1-0.25-128", "mobilenet-v1-0.5-160", "mobilenet-v1-1.0-224", "mobilenet-v2-0.35-96",
    "mobilenet-v2-0.75-160", "mobilenet-v2-1.0-224", "mobilenet-v3-large_224_1.0", "mobilenet-v3-large_224_0.75",
    "mobilenet-v3-small_224_1.0", "mobilenet-v3-small-minimalistic_224_1.0", "efficientnet-lite0",
    "efficientnet-lite1", "efficientnet_b0", "googlenet", "squeezenet", "shufflenet_v2", "resnet18", "resnet50",
    "mnasnet", "proxylessnasnet",
)  # fmt: skip
VISIT = replace(clocking.VISIT, warmup_seconds=0.1)
"""The profile's, warmed up for the sake of the medians."""
PASSES = 10


def host(device: str = "host") -> None:
    """Prints a row for each group of networks."""
    predictor = Predictor.load(device)
    graphs = {name: reference_graph(name) for name in (*SAMPLES, *REFERENCES)}
    fastest, medians = clock_all(graphs)
    truth, features, order = fastest.min(axis=0), list(graphs.values()), list(graphs)
    predictions = predictor.predict_many(features)
    ours = np.array([p.latency_ms for p in predictions])
    inside = np.array([p.interval_ms[0] <= t <= p.interval_ms[1] for p, t in zip(predictions, truth, strict=True)])
    peers = peer_predictions(predictor, features)
    columns = "lowest runs: within ±10 %, MAPE, coverage | lowest medians: within ±10 %"
    noise = "odd and even passes within ±10 %: lowest runs, medians | peers, lowest runs"
    print(f"{device}, {predictor.setting.label}: {columns} | {noise}")
    groups = {
        "mobile-small": [n.startswith("mobile-small-") for n in order],
        "mobile-large": [n.startswith("mobile-large-") for n in order],
        "published networks": [n in REFERENCES for n in order],
        "all": [True] * len(order),
    }
    for name, chosen in groups.items():
        c = np.array(chosen)
        mape, coverage = 100 * error(ours[c], truth[c]).mean(), 100 * inside[c].mean()
        repeated = ", ".join(f"{share(*odd_and_even(passes[:, c])):.0f} %" for passes in (fastest, medians))
        told = ", ".join(f"{peer} {share(p[c], truth[c]):.0f} %" for peer, p in peers.items())
        print(
            f"{name:20s} ({c.sum():3d}) {share(ours[c], truth[c]):5.1f} %  {mape:5.1f} %  {coverage:4.0f} %"
            f" | {share(ours[c], medians.min(axis=0)[c]):5.1f} % | {repeated} | {told}"
        )
    worst = np.argsort(-error(ours, truth))[:8]
    print("farthest off:", ", ".join(f"{order[i]} {truth[i]:.3g} ms ×{ours[i] / truth[i]:.2f}" for i in worst))


def clock_all(graphs: dict[str, Graph]) -> tuple[Array, Array]:
    """The fastest run and the median of each visit, in milliseconds, both of shape (passes, networks)."""
    rng = np.random.default_rng(0)
    found = np.empty((2, PASSES, len(graphs)))
    with tempfile.TemporaryDirectory() as scratch:
        paths = [Path(scratch) / f"{i}.onnx" for i in range(len(graphs))]
        for path, graph in zip(paths, graphs.values(), strict=True):
            path.write_bytes(to_onnx(graph).SerializeToString())
        for turn in range(PASSES):
            for i in rng.permutation(len(paths)):
                timing = time_runs(OnnxRuntime.load(paths[i], 1), VISIT, clock=time.thread_time_ns)
                found[:, turn, i] = timing.min_ms, timing.p50_ms
    return found[0], found[1]


def odd_and_even(passes: Array) -> tuple[Array, Array]:
    """The lowest of every other pass, from (passes, networks) to (networks,) each."""
    return passes[::2].min(axis=0), passes[1::2].min(axis=0)


def peer_predictions(predictor: Predictor, graphs: list[Graph]) -> dict[str, Array]:
    """The additive fit and gradient boosting, on the features of the same clocked networks without the residual."""
    machine = machine_of(predictor.profile, predictor.setting)
    measured, read = board_measurements(predictor.profile.folder), profile_reader(predictor.profile.folder)
    x = features_of((read(m.network) for m in measured), machine)
    y = np.array([m.latency_ms for m in measured])
    new = features_of(graphs, machine)
    return {"additive fit": Additive(x, y).predict(new)[0], "gradient boosting": boosted(x, y, new)}


def error(predicted: Array, truth: Array) -> Array:
    relative: Array = np.abs(predicted / truth - 1)
    return relative


def share(predicted: Array, truth: Array) -> float:
    return 100 * float((error(predicted, truth) <= 0.1).mean())
