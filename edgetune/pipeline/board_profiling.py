"""A board's profile from networks that its agents clock: chosen by what they would teach, kept as they come, fitted."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgetune.agent.client import Client
from edgetune.agent.measure import Request
from edgetune.agent.measurement import Measurement
from edgetune.agent.pool import COMMON, board_kind, measure_on
from edgetune.agent.registry import Agent
from edgetune.agent.timing import Protocol
from edgetune.agent.wire import BoardBody
from edgetune.device.profile import Profile, load_profile, shipped_profiles
from edgetune.errors import AgentError
from edgetune.files import atomic_write, cache_folder, make_folder, storage_errors
from edgetune.latency import measurements as latencies
from edgetune.latency.calibrate import FEWEST, calibrate
from edgetune.latency.design import informative_networks
from edgetune.latency.features import features_of, machine_of
from edgetune.latency.fitted import Fitted
from edgetune.latency.population import population
from edgetune.latency.reference import reference_graph
from edgetune.latency.setting import Setting
from edgetune.latency.to_onnx import to_onnx
from edgetune.pipeline.profiling import POOL
from edgetune.reporter import Reporter

NETWORKS, SECONDS = 60, 840.0
STAGE = "clocking networks"
BATCH = 8  # between two looks at the time
REQUEST = Request(
    protocol=Protocol(min_runs=10, min_seconds=0.5, max_seconds=8.0, warmup_seconds=2.0), attempts=2, cooldown_seconds=5
)
"""Sixty networks in fifteen minutes leave no more time to cool down; what stays disturbed is counted at the end."""
VISITS = 3
"""To a network that was disturbed, in all: the later ones when every network has been clocked once."""
LASTS = 86_400.0
"""Seconds that what was clocked counts when a profile goes on."""
MANY = 0.25  # share of the networks from which on a profile should be made again
EMULATED = "emulated timings say nothing about a board"


def profile_board(
    device: str,
    agents: Sequence[Agent],
    *,
    out: Path | None = None,
    networks: int = NETWORKS,
    reporter: Reporter | None = None,
) -> list[Fitted]:
    """Clocks networks in onnxruntime on boards of one kind and calibrates their profile, in under fifteen minutes.

    Networks that were disturbed are clocked again at the end, minutes later, while the time lasts. What was clocked is
    kept in the cache until the profile is written, so that a run that was stopped goes on.

    Parameters
    ----------
    device
        A board that has a data sheet.
    out
        Folder that the profile `device` is written to; default the user's own.

    Raises
    ------
    AgentError
        A board is emulated, of another kind or architecture, or without onnxruntime; or no agent is left.
    DataError
        Too few networks were clocked.
    """
    reporter = reporter or Reporter()
    profile = load_profile(device)
    version = _check_boards(profile, agents)
    setting = Setting("onnxruntime", version, "fp32", REQUEST.threads, profile.cpu_mhz)
    chosen = _chosen(profile, setting, networks)
    with tempfile.TemporaryDirectory() as scratch:
        path = cache_folder() / "profiling" / f"{device}-{setting.label.replace(' ', '-')}.jsonl"
        journal = Journal(path, {agent.name: agent.fingerprint for agent in agents})
        if journal.found:
            reporter.say(f"goes on: {len(journal.found)} of {networks} networks were clocked before")
        clocking = Clocking(agents, replace(REQUEST, attempts=1), Path(scratch), journal, networks, reporter)
        began = time.monotonic()
        clocking.tell()
        while (left := journal.left(chosen)) and time.monotonic() - began < SECONDS:
            clocking.clock(left[:BATCH])
        measurements = Path(scratch) / "measurements.csv"
        latencies.write_measurements(measurements, journal.measurements(setting))
        fitted = calibrate(device, measurements, out=out)
    if words := _disturbed(journal):
        reporter.say(words)
    journal.path.unlink()
    return fitted


def _disturbed(journal: Journal) -> str | None:
    """How many networks were clocked while something disturbed the board, and what to do if they are many."""
    marks = [found["marks"] for found in journal.found.values() if found["marks"]]
    if not marks:
        return None
    words = f"{len(marks)} of {len(journal.found)} networks were clocked while disturbed"
    if len(marks) < MANY * len(journal.found):
        return f"note: {words}"
    seen = sorted({mark for some in marks for mark in some})
    return f"warning: {words} ({', '.join(seen)}): give the board nothing else to do, and profile it again"


class Journal:
    """What was clocked so far, by network: median in ms, clock in MHz, marks, visits, on which board and when.

    Parameters
    ----------
    boards
        Fingerprints by name: what others clocked, or these more than a day ago, does not count.
    """

    def __init__(self, path: Path, boards: Mapping[str, str]) -> None:
        self.path, self.boards = path, boards
        with storage_errors(path):
            make_folder(path.parent)
        lines = path.read_text().splitlines() if path.exists() else []
        known = [entry for entry in map(_entry, lines) if entry and self._counts(entry)]
        self.found = {str(entry["network"]): entry for entry in known}

    def _counts(self, entry: Mapping[str, Any]) -> bool:
        whole = "visits" in entry  # not of an older edgetune
        return whole and entry["board"] in self.boards.values() and time.time() - entry["time"] < LASTS

    def drop(self, board: str) -> None:
        """Forgets what a board clocked."""
        self.found = {name: entry for name, entry in self.found.items() if entry["board"] != self.boards[board]}
        with atomic_write(self.path) as aside:
            aside.write_text("".join(json.dumps(entry) + "\n" for entry in self.found.values()))

    def left(self, networks: Sequence[str]) -> list[str]:
        """Those that were not clocked yet, then those that were disturbed each time, the least often clocked first."""

        def visits(name: str) -> int:
            return int(self.found[name]["visits"]) if name in self.found else 0

        def is_done(name: str) -> bool:
            return name in self.found and not self.found[name]["marks"]

        return sorted((name for name in networks if visits(name) < VISITS and not is_done(name)), key=visits)

    def add(self, network: str, board: str, measurement: Measurement) -> None:
        """Keeps a network's first undisturbed figure; until there is one, that with the fewest marks, then the lowest.

        Raises
        ------
        AgentError
            The measurement is emulated.
        """
        if measurement.kind != "measured":
            raise AgentError(EMULATED, mend="profile a real one")
        known = self.found.get(network)
        if known and not known["marks"]:
            return
        entry: dict[str, Any] = {
            "network": network,
            "latency_ms": measurement.latency_ms,
            "cpu_mhz": measurement.cpu_mhz,
            "marks": list(measurement.marks),
            "board": self.boards[board],
            "time": time.time(),
        }
        best = min((one for one in (known, entry) if one), key=lambda one: (len(one["marks"]), one["latency_ms"]))
        self.found[network] = best | {"visits": known["visits"] + 1 if known else 1}
        with self.path.open("a") as file:
            file.write(json.dumps(self.found[network]) + "\n")

    def measurements(self, setting: Setting) -> list[latencies.Measurement]:
        """As a calibration takes them, at the median clock where boards tell one."""
        clocks = [entry["cpu_mhz"] for entry in self.found.values() if isinstance(entry["cpu_mhz"], int)]
        at = replace(setting, cpu_mhz=round(statistics.median(clocks))) if clocks else setting
        return [latencies.Measurement(name, at, float(str(entry["latency_ms"]))) for name, entry in self.found.items()]


def _entry(line: str) -> dict[str, Any] | None:
    """A line of a journal; the last one may have been cut off."""
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return entry


@dataclass
class Clocking:
    """Networks on a board's agents, batch by batch, as far as the `journal` has them."""

    agents: Sequence[Agent]
    """Those that answer: the next batch leaves out what vanished during one."""
    request: Request
    folder: Path
    journal: Journal
    networks: int
    reporter: Reporter
    common: int = COMMON
    """Networks of the next batch that all boards clock, to be compared: some of the first, none later."""

    def tell(self) -> None:
        self.reporter.progress(STAGE, len(self.journal.found), self.networks)

    def clock(self, names: Sequence[str]) -> None:
        """What one network cannot be clocked for is raised when the others have been."""
        paths = {self.folder / f"{name}.onnx": name for name in names}
        for path, name in paths.items():
            path.write_bytes(to_onnx(reference_graph(name)).SerializeToString())

        def keep(path: Path, board: str, measurement: Measurement) -> None:
            self.journal.add(paths[path], board, measurement)
            self.tell()

        say = self.reporter.say
        results = measure_on(self.agents, list(paths), self.request, common=self.common, on_result=keep, say=say)
        for note in results.notes:
            self.reporter.say(f"warning: {note}")
        for failure in results.failures.values():
            raise failure
        for name in results.bad:
            self.journal.drop(name)
        left_out = results.gone.keys() | results.bad.keys()
        self.agents, self.common = [agent for agent in self.agents if agent.name not in left_out], 0
        if not self.agents:
            raise AgentError(
                "no board is left whose figures can be trusted",
                where=", ".join(results.bad),
                mend="find out which is wrong, and profile with the other alone",
            )


def _check_boards(profile: Profile, agents: Sequence[Agent]) -> str:
    """The version of onnxruntime that all boards have."""
    bodies: dict[str, BoardBody] = {}
    for agent in agents:
        with Client(agent, patience=10) as client:
            bodies[agent.name] = client.board()
    for name, body in bodies.items():
        if body.board.emulated:
            raise AgentError(EMULATED, where=name, mend="profile a real one")
        if not profile.target.triple.startswith(body.board.machine):
            what = f"its processor is {body.board.machine}, {profile.name}'s is {profile.target.triple.split('-')[0]}"
            raise AgentError(what, where=name, mend="name the device that it is")
    kinds = {board_kind(body.board.model): name for name, body in bodies.items()}
    if len(kinds) > 1:
        raise AgentError(f"boards of several kinds: {', '.join(kinds)}", mend="profile each kind apart")
    for kind, name in kinds.items():
        others = [p for p in shipped_profiles() if kind.startswith(p.title) and p.title != profile.title]
        if others and not kind.startswith(profile.title):
            raise AgentError(f"it is a {kind}, not a {profile.title}", where=name, mend=f"--device {others[0].name}")
    versions = {body.runtimes.get("onnxruntime", "") for body in bodies.values()}
    if len(versions) > 1 or "" in versions:
        raise AgentError("not one version of onnxruntime on all boards", mend="pip install onnxruntime on each")
    return versions.pop()


def _chosen(profile: Profile, setting: Setting, count: int) -> list[str]:
    """The candidates that tell most about all of them, the most telling first."""
    machine = machine_of(profile, setting)
    features = features_of(map(reference_graph, POOL), machine)
    return [POOL[i] for i in informative_networks(features, population(), max(count, FEWEST))]
