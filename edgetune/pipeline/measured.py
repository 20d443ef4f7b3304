"""Finalists clocked on real boards: measured beside predicted, and the predictor calibrated anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from edgetune.agent.client import Client
from edgetune.agent.measure import Request
from edgetune.agent.measurement import Measurement
from edgetune.agent.pool import Results, measure_on
from edgetune.agent.registry import find_agents
from edgetune.device.profile import Profile
from edgetune.errors import AgentError, DataError
from edgetune.latency import measurements
from edgetune.latency.calibrate import calibrate
from edgetune.latency.graph import Precision
from edgetune.latency.prediction import Prediction
from edgetune.latency.setting import Setting
from edgetune.report.summary import Finalist
from edgetune.reporter import Say

RUNTIME = "onnxruntime"
"""What agents clock ONNX files in."""


def check_agents(agents: str | None) -> None:
    """Asks each agent for its board, before hours of work.

    Raises
    ------
    AgentError
        An agent that is not known, or cannot be reached.
    """
    for agent in find_agents(agents) if agents else ():
        with Client(agent, patience=5) as client:
            client.board()


def measure_finalists(
    finalists: Sequence[Finalist], agents: str, profile: Profile, folder: Path, say: Say
) -> list[Finalist]:
    """The finalists, each with what the boards measured beside what was predicted; without it where none answers.

    Parameters
    ----------
    agents
        Names, separated by commas.
    profile
        Of the board that the predictions speak of.
    folder
        The run's; what a predictor may learn from goes there as `measured.csv`, and, where that is enough, a profile
        calibrated on it.
    """
    paths = {finalist.name: folder / _onnx(finalist) for finalist in finalists}
    predicted = finalists[0].latency
    try:
        results = measure_on(find_agents(agents), list(paths.values()), Request(threads=predicted.threads), say=say)
    except AgentError as error:
        say(f"warning: the finalists were not measured: {error}")
        return list(finalists)
    for note in results.notes:
        say(f"warning: {note}")
    found = {name: _trusted(results, path) for name, path in paths.items() if results.measurements[path]}
    for finalist in finalists:
        if finalist.name in found:
            for line in compare(finalist.latency, found[finalist.name], profile):
                say(f"{finalist.name}: {line}")
        else:
            say(f"warning: {finalist.name} was not measured: {results.failures[paths[finalist.name]]}")
    _recalibrate(predicted, {paths[name]: one for name, one in found.items()}, profile, folder, say)
    return [_with(finalist, found.get(finalist.name), profile) for finalist in finalists]


def _trusted(results: Results, path: Path) -> Measurement:
    """Of a board that agrees with the others, if one measured it."""
    by_board = results.measurements[path]
    return next((one for name, one in by_board.items() if name not in results.bad), next(iter(by_board.values())))


def is_of_board(found: Measurement, profile: Profile) -> bool:
    """Whether it was clocked on a profile's architecture, the one thing that can be told from afar."""
    return profile.target.triple.startswith(found.board.machine)


def teaches(found: Measurement, profile: Profile) -> bool:
    """Whether a predictor may learn from it: undisturbed, on a real board of the profile's architecture."""
    return is_of_board(found, profile) and found.kind == "measured" and found.steady


def compare(predicted: Prediction, found: Measurement, profile: Profile) -> list[str]:
    """What a person should know of a prediction and a measurement of the same network."""
    words = [f"measured {found}"]
    if found.kind == "emulated":
        return [*words, "an emulated time says nothing about the prediction"]
    if not is_of_board(found, profile):
        return [*words, f"learnt nothing from a {found.board.machine}, {profile.name} is another board"]
    if predicted.runtime != found.job.runtime:
        words.append(f"predicted {predicted.latency_ms:.3g} ms for {predicted.runtime}, another runtime")
        return words
    low, high = predicted.interval_ms
    where = "within" if low <= found.latency_ms <= high else "MISSED: outside"
    words.append(f"{where} the predicted {predicted.latency_ms:.3g} ms ({low:.3g} to {high:.3g} ms)")
    return words


def missed(finalists: Sequence[Finalist]) -> list[str]:
    """A sentence for each finalist whose measurement lies outside the interval that was predicted for it."""
    return [
        f"{finalist.name}: measured {found.latency_ms:.3g} ms, outside the predicted {low:.3g} to {high:.3g} ms"
        for finalist in finalists
        for low, high in [finalist.latency.interval_ms]
        for found in finalist.latencies[1:]
        if found.kind == "measured"
        and (found.runtime, found.device) == (finalist.latency.runtime, finalist.latency.device)
        if not low <= found.latency_ms <= high
    ]


def _onnx(finalist: Finalist) -> str:
    path = next((artefact.path for artefact in finalist.artefacts if artefact.format == "onnx"), None)
    if path is None:
        raise DataError(f"{finalist.name} has no ONNX file to measure", mend="ask for --formats onnx")
    return path


def _with(finalist: Finalist, found: Measurement | None, profile: Profile) -> Finalist:
    if found is None:
        return finalist
    predicted, job, alike = finalist.latency, found.job, is_of_board(found, profile)
    measured = Prediction(
        network=predicted.network,
        latency_ms=found.latency_ms,
        interval_ms=job.timing.median_interval_ms,
        kind=found.kind,
        device=predicted.device if alike else found.board.model,
        runtime=job.runtime,
        runtime_version=job.runtime_version,
        precision=job.precision,
        threads=job.threads,
        cpu_mhz=found.cpu_mhz or (predicted.cpu_mhz if alike else 0),
        warnings=tuple(f"measured while {mark}" for mark in found.marks),
    )
    return replace(finalist, latencies=(*finalist.latencies, measured))


def _recalibrate(
    predicted: Prediction, found: dict[Path, Measurement], profile: Profile, folder: Path, say: Say
) -> None:
    """Keeps what a predictor may learn from as a table, and fits the board's model to it."""
    table = folder / "measured.csv"
    rows = []
    for path, one in found.items():
        if teaches(one, profile):
            job = one.job
            precision = cast(Precision, job.precision)
            setting = Setting(job.runtime, job.runtime_version, precision, job.threads, predicted.cpu_mhz)
            rows.append(measurements.Measurement(str(path), setting, one.latency_ms))
    if len(rows) < len(found):
        others = len(found) - len(rows)
        say(f"{others} of {len(found)} measurements calibrate nothing: disturbed, emulated or of another board")
    if not rows:
        return
    measurements.write_measurements(table, rows)
    try:
        calibrate(predicted.device, table, out=folder / "device")
    except DataError as error:
        say(f"the predictor stays as it is: {error.what}")
    else:
        say(f"calibrated on them: edgetune predict MODEL --device {folder / 'device' / predicted.device}")
