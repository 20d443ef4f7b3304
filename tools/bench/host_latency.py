"""This machine, live: how well the profile that `edgetune profile` made predicts networks it never saw.

    edgetune profile --device host && python -m tools.bench.latency host

A hundred samples of the mobile spaces and twenty published networks are clocked in six passes, each in another order,
in processor time of the one thread (the wall's on an idle machine). The lowest of a network's medians counts: what
disturbs a machine only slows it. (The profile is fitted to first deciles; a user asks for medians.) What the first
three and the last three passes differ by is the noise that no predictor can beat. The peers are fitted to the
latencies of the same networks as the profile.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from edgetune.agent.runtimes import OnnxRuntime
from edgetune.agent.timing import Protocol, time_runs
from edgetune.latency.cost_model import Array
from edgetune.latency.features import features_of, machine_of
from edgetune.latency.graph import Graph
from edgetune.latency.measurements import board_measurements
from edgetune.latency.predictor import Predictor
from edgetune.latency.reference import reference_graph
from edgetune.latency.stored_graphs import profile_reader
from edgetune.latency.to_onnx import to_onnx
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
PROTOCOL = Protocol(min_runs=8, min_seconds=0.15, max_seconds=0.3, warmup_seconds=0.2)
PASSES = 6


def host(device: str = "host", seconds: float = 500.0) -> None:
    """Prints a row for each group of networks."""
    predictor = Predictor.load(device)
    graphs = {name: reference_graph(name) for name in (*SAMPLES, *REFERENCES)}
    clocked = clock_all(graphs, seconds)
    graphs = {name: graph for name, graph in graphs.items() if name in clocked}
    passes = np.array([clocked[name] for name in graphs])
    truth = passes.min(axis=1)
    halves = np.column_stack([half.min(axis=1) for half in np.split(passes, 2, axis=1)])
    features, order = list(graphs.values()), list(graphs)
    predictions = predictor.predict_many(features)
    ours = np.array([p.latency_ms for p in predictions])
    inside = np.array([p.interval_ms[0] <= t <= p.interval_ms[1] for p, t in zip(predictions, truth, strict=True)])
    peers = peer_predictions(predictor, features)
    columns = "within ±10 %, MAPE, coverage | two halves: within ±10 %, difference | peers: within ±10 %"
    print(f"{device}, {predictor.setting.label}: {columns}")
    groups = {
        "mobile-small": [n.startswith("mobile-small-") for n in order],
        "mobile-large": [n.startswith("mobile-large-") for n in order],
        "published networks": [n in REFERENCES for n in order],
        "all": [True] * len(order),
    }
    for name, chosen in groups.items():
        c = np.array(chosen)
        first, second = halves[c].T
        told = ", ".join(f"{peer} {share(p[c], truth[c]):.0f} %" for peer, p in peers.items())
        mape, noise = (100 * error(a, b).mean() for a, b in ((ours[c], truth[c]), (first, second)))
        print(
            f"{name:20s} ({c.sum():3d}) {share(ours[c], truth[c]):5.1f} %  {mape:5.1f} %"
            f"  {100 * inside[c].mean():4.0f} % | {share(first, second):5.1f} %, {noise:4.1f} % | {told}"
        )
    worst = np.argsort(-error(ours, truth))[:8]
    print("farthest off:", ", ".join(f"{order[i]} {truth[i]:.3g} ms ×{ours[i] / truth[i]:.2f}" for i in worst))


def clock_all(graphs: dict[str, Graph], seconds: float) -> dict[str, list[float]]:
    """Medians in milliseconds, one for each pass; networks that time did not suffice for are left out.

    The seconds are of processor time, the same as the wall's on an idle machine.
    """
    began, rng = time.process_time(), np.random.default_rng(0)
    medians: dict[str, list[float]] = {name: [] for name in graphs}
    with tempfile.TemporaryDirectory() as scratch:
        paths = {}
        for i, (name, graph) in enumerate(graphs.items()):
            paths[name] = Path(scratch) / f"{i}.onnx"
            paths[name].write_bytes(to_onnx(graph).SerializeToString())
        for _ in range(PASSES):
            for name in rng.permutation(list(graphs)):
                if time.process_time() - began < seconds:
                    run = OnnxRuntime.load(paths[name], 1)
                    medians[name].append(time_runs(run, PROTOCOL, clock=time.thread_time_ns).p50_ms)
    return {name: found for name, found in medians.items() if len(found) == PASSES}


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
