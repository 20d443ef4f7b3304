"""A board's own models from a file of measurements, few or many; the board may be new."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgetune.device.profile import Profile, list_profiles, load_profile, user_folder
from edgetune.errors import ConfigError, DataError
from edgetune.files import atomic_write
from edgetune.latency.cost_model import CostModel
from edgetune.latency.fit import Data, fit_setting, gather
from edgetune.latency.fitted import Fitted, read_fitted, write_fitted
from edgetune.latency.known import known_settings
from edgetune.latency.measurements import (
    Measurement,
    board_measurements,
    by_setting,
    read_measurements,
    write_measurements,
)
from edgetune.latency.networks import network_reader
from edgetune.latency.population import population
from edgetune.latency.setting import Setting, parse_runtime
from edgetune.latency.stored_graphs import fingerprint, read_graphs, write_graphs
from edgetune.latency.transfer import Known, transfer

FEWEST = 3
UNUSUAL = 66.0
"""Times as long, or short, as no board is: nearer to another unit, a thousand times off."""


def calibrate(
    device: str,
    measurements: Path,
    *,
    sources: Sequence[str] | None = None,
    out: Path | None = None,
    space: str | None = None,
) -> list[Fitted]:
    """Fits one model for each setting in the file and stores them as a profile that predictions then use.

    Parameters
    ----------
    device
        A board that has a profile, or a new name: then the data sheet of the board that explains the measurements best
        stands in.
    measurements
        See :func:`edgetune.latency.measurements.read_measurements`.
    sources
        Boards to learn from; default all. Other runtimes of the same board serve too.
    out
        Folder that the profile `device` is written to; default the user's own.
    space
        The space that the networks' names belong to, such as `nasbench201`.

    Raises
    ------
    DataError
        A missing column, a time that cannot be, fewer than three networks in a setting, times in another unit.
    EdgetuneError
        Unknown board, network or space.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", device):
        raise ConfigError(f"no board can be called {device!r}", where="device", mend="letters, digits, -, _ and .")
    known = known_settings(sources)
    if not known:
        raise ConfigError(
            "none of these boards has a setting that was measured well enough to learn from",
            where="from",
            mend="name others",
        )
    folder = (out or user_folder()) / device
    earlier = _earlier(device, folder)
    is_new = earlier is None
    sheets = [load_profile(name) for name in sorted({k.device for k in known})] if earlier is None else [earlier]
    profile, groups = max(
        ((sheet, _read(measurements, sheet, space)) for sheet in sheets),
        key=lambda pair: _explains(pair[1], [k for k in known if k.device == pair[0].name]) if is_new else 0.0,
    )
    for data in groups:
        _check(data, measurements)
    models = [fit_setting(data, population(), _others(known, device, data)) for data in groups]
    _store_sheet(profile, device, is_new, models, folder)
    _store_measurements(groups, folder)
    fresh = {model.setting for model in models}
    kept = [] if is_new else [m for m in read_fitted(profile.folder / "model.json") if m.setting not in fresh]
    write_fitted(folder / "model.json", device, [*kept, *models])
    return models


def _read(path: Path, profile: Profile, space: str | None) -> list[Data]:
    name, version = parse_runtime(profile.default_runtime)
    default = Setting(name, version, "fp32", profile.default_threads, profile.cpu_mhz)
    read, measurements = network_reader(space), read_measurements(path, default)
    if not measurements:
        raise DataError("no rows in it", where=path, mend=f"at least {FEWEST} networks are needed")
    return [gather(profile, s, group, read) for s, group in by_setting(measurements).items()]


def _earlier(device: str, folder: Path) -> Profile | None:
    """The profile that is calibrated anew: that of the folder it goes to, else the one that goes by its name."""
    if (folder / "profile.toml").is_file():
        return load_profile(str(folder.resolve()))
    if device in list_profiles():
        return load_profile(device)
    if device == "host":
        raise ConfigError("this machine has no profile yet", where="device", mend="edgetune profile --device host")
    return None


def _others(known: Sequence[Known], device: str, data: Data) -> list[Known]:
    """All but what was fitted to these very measurements."""
    latencies = set(np.round(data.latency, 6).tolist())

    def is_same(one: Known) -> bool:
        shared = latencies & one.measured
        return (one.device, one.setting) == (device, data.setting) and 2 * len(shared) > len(latencies)

    return [one for one in known if not is_same(one)]


def _explains(groups: Sequence[Data], known: Sequence[Known]) -> float:
    """How little the measurements err under what is known of a board whose data sheet they were read with."""
    if not known:
        return -np.inf
    errors = [
        np.log(transfer(d.features, d.latency, d.setting, known, population()).predict(d.features)[0] / d.latency)
        for d in groups
    ]
    return -float(np.median(np.abs(np.concatenate(errors))))


def _check(data: Data, path: Path) -> None:
    different = len({fingerprint(graph) for graph in data.graphs})
    if different < FEWEST:
        raise DataError(
            f"{different} networks in {data.setting.label}", where=path, mend=f"at least {FEWEST} are needed"
        )
    expected = np.exp(CostModel.from_prior(population()).predict(data.features)[0])
    ratios = data.latency / expected
    middle = float(np.median(ratios))
    if abs(np.log(middle)) > np.log(UNUSUAL):
        unit = "microseconds or less" if middle > 1 else "seconds"
        raise DataError(
            f"the times are about {middle:.2g} times what is usual", where=path, mend=f"are they {unit}? give ms"
        )
    for name, ratio in zip(data.names, ratios / middle, strict=True):
        if abs(np.log(ratio)) > np.log(UNUSUAL):
            raise DataError(
                f"{name} takes {ratio:.2g} times as long as the other networks say",
                where=path,
                mend="is it in another unit? give ms",
            )


def _store_sheet(profile: Profile, device: str, is_new: bool, models: list[Fitted], folder: Path) -> None:
    lines = (profile.folder / "profile.toml").read_text().splitlines()
    if is_new:
        lines = [_renamed(line, device, profile, models[0]) for line in lines]
    with atomic_write(folder / "profile.toml") as aside:
        aside.write_text("\n".join(lines) + "\n")


def _store_measurements(groups: Sequence[Data], folder: Path) -> None:
    """With whole settings and the networks themselves, so that they can serve other boards; what an earlier calibration
    stored of other settings stays."""
    fresh, earlier = {data.setting for data in groups}, read_graphs(folder)
    rows = [m for m in board_measurements(folder) if m.setting not in fresh]
    graphs = {m.network: earlier[m.network] for m in rows if m.network in earlier}
    for data in groups:
        for name, graph, latency in zip(data.names, data.graphs, data.latency, strict=True):
            rows.append(Measurement(name, data.setting, float(latency), fingerprint(graph)))
            graphs[name] = graph
    write_measurements(folder / "measurements.csv", rows)
    write_graphs(folder, graphs)


def _renamed(line: str, device: str, profile: Profile, lead: Fitted) -> str:
    if line.startswith("title = "):
        return f'title = "{device}, with the data sheet of {profile.name}"'
    if line.startswith("default_runtime = "):
        return f'default_runtime = "{lead.runtime}{"-" if lead.version else ""}{lead.version}"'
    return f"default_threads = {lead.threads}" if line.startswith("default_threads = ") else line
