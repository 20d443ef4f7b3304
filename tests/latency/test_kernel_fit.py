"""A machine whose law is known: kernels that run faster or slower by shape than the physics says, a profiler that adds
its own cost. The fit has to find the law from fifty networks and hold on others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgetune.device.profile import load_profile
from edgetune.errors import MeasurementError
from edgetune.latency.farthest import farthest
from edgetune.latency.fitted import read_fitted
from edgetune.latency.graph import Graph, Kernel
from edgetune.latency.kernel_fit import Clocked, profiler_cost
from edgetune.latency.kernel_residual import KernelResidual
from edgetune.latency.measurements import board_measurements
from edgetune.latency.predictor import Predictor
from edgetune.latency.reference import reference_graph
from edgetune.latency.stored_graphs import read_graphs
from edgetune.pipeline.profiling import profile_machine, refit

PROFILER_MS = 0.002


def law(kernel: Kernel) -> float:
    """Milliseconds: ragged channels at half speed, depthwise at a third, a floor of a microsecond and a half."""
    rate = 40e6 * (0.5 if kernel.input[0] % 16 else 1) * (0.3 if kernel.kind == "depthwise" else 1)
    return 0.0015 + kernel.macs / rate + (kernel.read + kernel.written) / 8e6 + kernel.weights / 6e6


def clock(name: str, graph: Graph, _folder: Path) -> Clocked:
    rng = np.random.default_rng(len(graph.kernels))
    times = {i: law(kernel) * float(np.exp(rng.normal(0, 0.02))) for i, kernel in enumerate(graph.kernels)}
    return Clocked(name, graph, 0.004 + sum(times.values()), {i: ms + PROFILER_MS for i, ms in times.items()})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return profile_machine("mine", out=tmp_path_factory.mktemp("devices"), networks=40, clock=clock)[0]


@pytest.mark.parametrize(
    "name",
    ["mobile-small-32-random-1000", "mobile-large-128-random-1001", "mobilenet-v2-1.0-224", "resnet18", "mnasnet"],
)
def test_networks_never_clocked_are_told_within_a_tenth(folder: Path, name: str) -> None:
    graph = reference_graph(name)
    prediction = Predictor.load(str(folder)).predict(graph)
    truth = 0.004 + sum(map(law, graph.kernels))
    assert prediction.kind == "calibrated" and prediction.latency_ms == pytest.approx(truth, rel=0.1)
    assert sum(kernel.latency_ms for kernel in prediction.kernels) == pytest.approx(prediction.latency_ms)


def test_the_stored_profile_tells_what_it_was_fitted_on(folder: Path) -> None:
    profile, kernels = load_profile(str(folder)), json.loads((folder / "kernels.json").read_text())
    assert profile.default_runtime.startswith("onnxruntime-") and profile.default_threads == 1
    assert len(kernels) == 40 and len((folder / "measurements.csv").read_text().splitlines()) == 41
    assert {path.name for path in folder.parent.iterdir()} == {"mine"}


def test_it_is_fitted_anew_from_what_it_keeps(folder: Path) -> None:
    """Even when its names mean other networks meanwhile: they are read from the profile."""
    before = read_fitted(folder / "model.json")
    (again,) = [refit(str(folder))]
    assert set(read_graphs(folder)) == set(json.loads((folder / "kernels.json").read_text()))
    for ours, theirs in zip(again.ensemble.members, before[0].ensemble.members, strict=True):
        np.testing.assert_allclose(ours.model.log_factors, theirs.model.log_factors, atol=0.01)


def test_the_profilers_cost_is_found_from_sums() -> None:
    clocked = [clock(f"probe-{i}", reference_graph(f"mobile-small-28-random-{i}"), Path()) for i in range(8)]
    assert profiler_cost(clocked) == pytest.approx(PROFILER_MS, rel=0.1)


def test_neighbours_that_slow_two_visits_in_three_are_not_taken_for_the_machine(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def disturbed(name: str, graph: Graph, folder: Path) -> Clocked:
        quiet, slower = clock(name, graph, folder), rng.choice([1.0, 1.4, 2.0], size=2)
        kernels = {i: ms * float(slower[1]) for i, ms in quiet.kernel_ms.items()}
        return replace(quiet, latency_ms=quiet.latency_ms * float(slower[0]), kernel_ms=kernels)

    folder, _ = profile_machine("mine", out=tmp_path, networks=40, clock=disturbed)
    measured = {m.network: m.latency_ms for m in board_measurements(folder)}
    quiet = {name: clock(name, graph, folder).latency_ms for name, graph in read_graphs(folder).items()}
    undisturbed = [name for name, ms in quiet.items() if measured[name] == pytest.approx(ms)]
    assert len(undisturbed) > 35, "of one visit 13 are expected, of ten 39"
    assert all(measured[name] > ms * 0.99 for name, ms in quiet.items())


def test_a_machine_too_busy_leaves_nothing_and_keeps_the_old(folder: Path) -> None:
    before = (folder / "model.json").read_bytes()
    with pytest.raises(MeasurementError, match="only 0 networks"):
        profile_machine("mine", out=folder.parent, clock=clock, seconds=0.0)
    assert (folder / "model.json").read_bytes() == before and len(list(folder.parent.iterdir())) == 1


def test_the_residual_interpolates_and_vanishes_far_away() -> None:
    kernels = [k for k in reference_graph("mobilenet-v1-1.0-224").kernels if k.kind == "pointwise"]
    error = np.full(len(kernels), 0.3)
    residual = KernelResidual.fit(kernels, error, np.full(len(kernels), 0.01))
    np.testing.assert_allclose(residual(kernels), np.exp(0.3), rtol=0.05)
    other = [k for k in reference_graph("mobilenet-v1-1.0-224").kernels if k.kind == "depthwise"]
    np.testing.assert_array_equal(residual(other), 1.0)


def test_the_farthest_points_cover() -> None:
    points = np.array([[0.0], [0.1], [5.0], [10.0], [9.9]])
    assert sorted(points[farthest(points, 3)].ravel().round()) == [0.0, 5.0, 10.0]
