"""Which networks to measure on a board that is to be calibrated, as ONNX files and a table to fill in."""

from __future__ import annotations

import csv
from pathlib import Path

from edgetune.device.profile import list_profiles, load_profile
from edgetune.errors import ConfigError
from edgetune.files import atomic_write
from edgetune.latency.design import informative_networks
from edgetune.latency.features import features_of, machine_of
from edgetune.latency.measurements import GRAPH
from edgetune.latency.population import population
from edgetune.latency.reference import reference_graph
from edgetune.latency.setting import Setting, parse_precision, parse_runtime, runtime_label
from edgetune.latency.stored_graphs import fingerprint
from edgetune.latency.to_onnx import to_onnx

NEW = "rpi4"
"""Whose data sheet stands in for a board that has none."""
LARGEST_MMACS, LARGEST_PARAMETERS = 600, 8_000_000
"""A small board measures such a network in seconds, and it can be copied there."""
CANDIDATES = (
    *(f"mobilenet-v1-{w}-{r}" for w in (0.25, 0.5, 1.0) for r in (128, 224)),
    *(f"mobilenet-v2-{w}-{r}" for w in (0.35, 0.75, 1.0) for r in (96, 224)),
    "mobilenet-v3-small_224_1.0", "mobilenet-v3-large_224_1.0", "efficientnet-lite0", "efficientnet_b0",
    "mnasnet", "proxylessnasnet", "shufflenet", "shufflenet_v2", "squeezenet",
    *(f"mobile-small-{r}-random-{i}" for i, r in enumerate((28, 32, 48, 64))),
    *(f"mobile-large-{r}-random-{i}" for i, r in enumerate((96, 160, 224))),
    *(f"probe-{i}" for i in range(60)),
)  # fmt: skip
COLUMNS = ("network", "runtime", "precision", "threads", "cpu_mhz", GRAPH, "latency_ms")


def suggest_networks(
    device: str,
    count: int,
    *,
    runtime: str | None = None,
    precision: str = "fp32",
) -> tuple[Setting, list[str]]:
    """The networks whose latencies would tell most about the board, the most telling first.

    Parameters
    ----------
    device
        A known board, or a new name: then the data sheet of the Raspberry Pi 4 stands in.

    Raises
    ------
    ConfigError
        Fewer than three or more than there are candidates; an unknown runtime or precision.
    """
    profile = load_profile(device if device in list_profiles() else NEW)
    name, version = parse_runtime(runtime or profile.default_runtime)
    setting = Setting(name, version, parse_precision(precision), profile.default_threads, profile.cpu_mhz)
    graphs = {candidate: reference_graph(candidate) for candidate in CANDIDATES}
    names = [n for n, g in graphs.items() if g.macs < LARGEST_MMACS * 1e6 and g.parameters < LARGEST_PARAMETERS]
    if not 3 <= count <= len(names):
        raise ConfigError(f"{count} networks", where="--suggest", mend=f"ask for 3 to {len(names)}")
    machine = machine_of(profile, setting)
    features = features_of((graphs[n] for n in names), machine)
    return setting, [names[i] for i in informative_networks(features, population(), count)]


def write_suggestion(folder: Path, setting: Setting, names: list[str]) -> Path:
    """An ONNX file of each network, random weights, and `measurements.csv` with its column `latency_ms` left empty."""
    for name in names:
        with atomic_write(folder / f"{name}.onnx") as aside:
            aside.write_bytes(to_onnx(reference_graph(name)).SerializeToString())
    table = folder / "measurements.csv"
    with atomic_write(table) as aside, aside.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        runtime = runtime_label(setting.runtime, setting.version)
        own = (runtime, setting.precision, setting.threads, setting.cpu_mhz)
        rows.writerows([n, *own, fingerprint(reference_graph(n)), ""] for n in names)
    return table
