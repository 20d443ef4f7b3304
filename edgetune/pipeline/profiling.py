"""This machine as a board: its data sheet and its latency model from at most sixty networks clocked live."""

from __future__ import annotations

import json
import random
import tempfile
import time
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

from edgetune.agent.runtimes import OnnxRuntime
from edgetune.device.host import host_sheet, read_host
from edgetune.device.profile import Profile, load_profile, user_folder
from edgetune.errors import MeasurementError
from edgetune.files import atomic_write, replaced_folder
from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.cost_model import CostModel
from edgetune.latency.features import machine_of
from edgetune.latency.fitted import Fitted, write_fitted
from edgetune.latency.graph import Graph
from edgetune.latency.kernel_design import KernelDesign
from edgetune.latency.kernel_fit import Clocked, fit_clocked, fit_kernel_model
from edgetune.latency.measurements import Measurement, board_measurements, write_measurements
from edgetune.latency.population import population
from edgetune.latency.reference import reference_graph
from edgetune.latency.setting import Setting
from edgetune.latency.stored_graphs import fingerprint, profile_reader, write_graphs
from edgetune.pipeline.clocking import clock_network, lowest
from edgetune.reporter import Reporter

NETWORKS, FIRST, FEWEST = 58, 20, 12
"""Clocked in all, besides two for the data sheet; before the model first chooses; below which nothing is fitted."""
VISITS, SECONDS = 10, 235.0
"""To each network, the later ones as far as the time goes."""
POOL = (
    *(f"probe-{i}" for i in range(90)),
    *(f"mobile-small-{r}-random-{i}" for i, r in enumerate((28, 32, 48, 64) * 10)),
    *(f"mobile-large-{r}-random-{i}" for i, r in enumerate((96, 128, 160, 192, 224) * 12)),
)
"""Candidates, by the names of `edgetune.latency.reference`. No published network is among them."""
SHARES = {"probe": 0.3, "mobile-small": 0.2, "mobile-large": 0.5}
"""Mostly what is to be predicted; large pictures vary most, in the memory that their activations take and in time."""

Clock = Callable[[str, Graph, Path], Clocked]


def profile_machine(
    name: str = "host",
    *,
    out: Path | None = None,
    networks: int = NETWORKS,
    seconds: float = SECONDS,
    clock: Clock = clock_network,
    reporter: Reporter | None = None,
) -> tuple[Path, Fitted]:
    """Clocks networks in onnxruntime on one thread and stores the model fitted to them as profile `name`.

    The first networks are those that tell most by what is known of other boards; the model fitted to them chooses the
    rest (`edgetune.latency.kernel_design`). Then all are visited again in turns, each time in another order, and what
    was lowest counts: what slows a machine for a while is met by other networks each time.

    Parameters
    ----------
    out
        Folder that the profile is written to; default the user's own, where `--device name` finds it.
    seconds
        Clocking ends then, with what there is.

    Returns
    -------
    The profile's folder and its model, with cross-validated errors.

    Raises
    ------
    MissingDependencyError
        onnxruntime is not installed.
    MeasurementError
        Time was up before there was enough to fit.
    """
    reporter, version = reporter or Reporter(), OnnxRuntime.version()
    began = time.monotonic()
    with replaced_folder((out or user_folder()) / name) as folder, tempfile.TemporaryDirectory() as scratch:
        profile, setting = _write_sheet(folder, name, version, clock, Path(scratch))
        graphs = {candidate: reference_graph(candidate) for candidate in POOL}
        design = KernelDesign(list(graphs.values()), machine_of(profile, setting), population())
        model, clocked = CostModel.from_prior(population()), list[Clocked]()
        for goal in (min(FIRST, networks), networks):
            for candidate in _chosen(design, graphs, clocked, model, goal):
                if time.monotonic() - began > seconds:
                    break
                clocked.append(clock(candidate, graphs[candidate], Path(scratch)))
                reporter.progress("clocking networks", len(clocked), networks)
            if len(clocked) < min(FEWEST, networks):
                raise MeasurementError(
                    f"only {len(clocked)} networks in {seconds:.0f} s",
                    code="out_of_time",
                    mend="try when it is less busy",
                )
            model = fit_kernel_model(design.machine, clocked, population()).model
        for turn, i in enumerate(_order(len(clocked))):
            if time.monotonic() - began > seconds:
                break
            known = clocked[i]
            clocked[i] = lowest(known, clock(known.name, known.graph, Path(scratch)))
            reporter.progress("clocking them again", turn + 1, (VISITS - 1) * len(clocked))
        fitted = fit_clocked(profile, setting, clocked, population())
        write_fitted(folder / "model.json", name, [fitted])
        _write_measurements(folder, setting, clocked)
    return (out or user_folder()) / name, fitted


def refit(name: str = "host") -> Fitted:
    """The model of a profile that `profile_machine` made, fitted anew to the networks and times that it keeps.

    Raises
    ------
    DeviceError
        There is no such profile.
    DataError
        It doesn't say which networks were clocked.
    """
    profile = load_profile(name)
    measured, read = board_measurements(profile.folder), profile_reader(profile.folder)
    kernels = json.loads((profile.folder / "kernels.json").read_text())
    clocked = [
        Clocked(m.network, read(m.network), m.latency_ms, {int(i): ms for i, ms in kernels[m.network].items()})
        for m in measured
    ]
    fitted = fit_clocked(profile, measured[0].setting, clocked, population())
    write_fitted(profile.folder / "model.json", profile.name, [fitted])
    return fitted


def _order(networks: int) -> list[int]:
    """Positions of the networks, once for each further visit, shuffled each time."""
    shuffle = random.Random(0)
    return [i for _ in range(VISITS - 1) for i in shuffle.sample(range(networks), networks)]


def _chosen(
    design: KernelDesign, graphs: dict[str, Graph], clocked: Sequence[Clocked], model: CostModel, goal: int
) -> list[str]:
    """Probes and samples of each space by their shares; each kind chooses what tells most about its own."""
    names: list[str] = []
    for kind, parts in SHARES.items():
        seen = [c for c in clocked if c.name.startswith(kind)]
        left = [name for name in graphs if name.startswith(kind) and name not in {c.name for c in seen}]
        count = round(goal * parts) - len(seen)
        chosen = design.choose([graphs[n] for n in left], [c.graph for c in clocked], model, count)
        names += [left[i] for i in chosen]
    return names


def _write_sheet(folder: Path, name: str, version: str, clock: Clock, scratch: Path) -> tuple[Profile, Setting]:
    """The data sheet, its arithmetic and bandwidth clocked with one network each."""
    host = read_host()
    dense, wide = GraphBuilder("dense", (256, 32, 32)), GraphBuilder("wide", (64, 512, 512))
    x = INPUT
    for _ in range(4):
        x = dense.conv(x, 256)
    wide.with_constant("add", INPUT, name="sum")
    graph, stream = dense.graph(), wide.graph()
    gmacs = graph.macs / 1e6 / clock("dense", graph, scratch).latency_ms
    gigabytes = 8 * stream.kernels[0].read / 1e6 / clock("wide", stream, scratch).latency_ms
    runtime = f"onnxruntime-{version}"
    sheet = host_sheet(host, runtime=runtime, threads=1, gmacs_per_s=gmacs, stream_gb_per_s=gigabytes)
    with atomic_write(folder / "profile.toml") as aside:
        aside.write_text(sheet)
    profile = Profile(name=name, folder=folder, **tomllib.loads(sheet))
    return profile, Setting("onnxruntime", version, "fp32", 1, profile.cpu_mhz)


def _write_measurements(folder: Path, setting: Setting, clocked: Sequence[Clocked]) -> None:
    rows = (Measurement(c.name, setting, c.latency_ms, fingerprint(c.graph)) for c in clocked)
    write_measurements(folder / "measurements.csv", rows)
    write_graphs(folder, {c.name: c.graph for c in clocked})
    kernels = {c.name: {str(i): round(ms, 6) for i, ms in sorted(c.kernel_ms.items())} for c in clocked}
    with atomic_write(folder / "kernels.json") as aside:
        aside.write_text(json.dumps(kernels, separators=(",", ":")) + "\n")
