"""A few trials clocked on the boards while the search goes on, so that its predictor learns where it is unsure.

A search looks at the boards after a quarter and after half of its trials. What they said is kept in the study before
anything follows from it; then all trials so far are predicted anew, so that old and new ones can be compared, and the
strategy begins again with them, as that of a resumed search does.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edgetune.agent.measurement import Measurement
from edgetune.agent.pool import measure_on
from edgetune.agent.registry import find_agents
from edgetune.device.profile import Profile
from edgetune.errors import AgentError
from edgetune.latency.prediction import Prediction
from edgetune.latency.predictor import Predictor
from edgetune.latency.to_onnx import to_onnx
from edgetune.pipeline.board_profiling import REQUEST
from edgetune.pipeline.measured import RUNTIME, compare, teaches
from edgetune.pipeline.recalibration import most_telling, recalibrated
from edgetune.pipeline.task import Task
from edgetune.reporter import Say
from edgetune.search.note_names import BOARD_LOOKS
from edgetune.search.study import Study
from edgetune.search.trial import Trial

SHARES = (0.25, 0.5)
EACH = 4


@dataclass(frozen=True)
class Seen:
    """A trial that was clocked; `learnt`: the predictor takes it into account. `words` are for people."""

    trial: int
    latency_ms: float
    version: str
    learnt: bool
    words: str


@dataclass(frozen=True)
class Look:
    """What the boards said after so many trials, and what went wrong."""

    trials: int
    seen: tuple[Seen, ...]
    notes: tuple[str, ...] = ()


def moments(trials: int, batch: int) -> list[int]:
    """After how many trials the boards are asked: whole batches, so that a resumed search asks for the same ones.

    >>> moments(100, 1), moments(100, 8), moments(3, 8)
    ([25, 50], [32, 56], [])
    """
    found = {batch * math.ceil(share * trials / batch) for share in SHARES}
    return sorted(moment for moment in found if EACH <= moment < trials)


def looks_of(study: Study) -> list[Look]:
    return [
        Look(look["trials"], tuple(Seen(**seen) for seen in look["seen"]), tuple(look["notes"]))
        for look in study.note(BOARD_LOOKS, [])
    ]


def notes_of(study: Study) -> list[str]:
    """For the report."""
    looks = looks_of(study)
    words = [f"trial {seen.trial}, clocked during the search: {seen.words}" for look in looks for seen in look.seen]
    return [*words, *(note for look in looks for note in look.notes)]


def look(study: Study, task: Task, agents: str, trials: Sequence[Trial], moment: int, say: Say) -> None:
    """Has the boards clock what the predictor is least sure of, and keeps it; boards that are gone are noted."""
    known = {seen.trial for look in looks_of(study) for seen in look.seen}
    left = [trial for trial in trials if trial.values is not None and trial.number not in known]
    graphs = [task.graph(trial.sample) for trial in left]
    chosen = [left[i] for i in most_telling(task.predictor, graphs, EACH)] if left else []
    seen, notes = _clock(task, agents, chosen, say)
    for one in seen:
        say(f"trial {one.trial}: {one.words}")
    for note in notes:
        say(f"warning: {note}")
    study.set_note(BOARD_LOOKS, [*study.note(BOARD_LOOKS, []), asdict(Look(moment, tuple(seen), tuple(notes)))])


def learnt_from(study: Study, task: Task) -> Task:
    """The task with a predictor that knows what the boards have said so far."""
    seen = {one.trial: one for look in looks_of(study) for one in look.seen if one.learnt}
    if not seen:
        return task
    samples = {trial.number: trial.sample for trial in study.trials() if trial.number in seen}
    graphs = [task.graph(samples[number]) for number in seen]
    latencies, version = [one.latency_ms for one in seen.values()], next(iter(seen.values())).version
    return replace(task, predictor=recalibrated(task.predictor, graphs, latencies, version))


def predict_again(study: Study, task: Task) -> list[Trial]:
    """All trials, with what the task's predictor says of them; the study keeps it."""
    trials = study.trials()
    known = [trial for trial in trials if trial.values is not None]
    figures = task.problem.cheap_figures([trial.sample for trial in known])
    for trial, fresh in zip(known, figures, strict=True):
        values = {**(trial.values or {}), **fresh}
        if values != trial.values:
            study.revise(replace(trial, values=values, state=task.problem.state(values)))
    return study.trials()


def _clock(task: Task, agents: str, chosen: Sequence[Trial], say: Say) -> tuple[list[Seen], list[str]]:
    found: dict[Path, Measurement] = {}
    notes: list[str] = []

    def keep(path: Path, _: str, one: Measurement) -> None:
        found.setdefault(path, one)

    request = replace(REQUEST, threads=task.predictor.setting.threads)
    with tempfile.TemporaryDirectory() as folder:
        paths = {Path(folder) / f"trial-{trial.number:03d}.onnx": trial for trial in chosen}
        for path, trial in paths.items():
            path.write_bytes(to_onnx(task.graph(trial.sample)).SerializeToString())
        try:
            results = measure_on(find_agents(agents), list(paths), request, on_result=keep, say=say)
            notes += results.notes
            notes += [f"trial {paths[p].number} was not clocked: {why.what}" for p, why in results.failures.items()]
        except AgentError as error:
            notes.append(f"{len(paths) - len(found)} trials were not clocked, the search went on: {error.what}")
    predictions = task.predictor.predict_many([task.graph(paths[path].sample) for path in found])
    pairs = zip(found.items(), predictions, strict=True)
    profile = task.predictor.profile
    return [_seen(paths[path], one, predicted, profile) for (path, one), predicted in pairs], notes


def _seen(trial: Trial, found: Measurement, predicted: Prediction, profile: Profile) -> Seen:
    words = "; ".join(compare(predicted, found, profile))
    return Seen(trial.number, found.latency_ms, found.job.runtime_version, teaches(found, profile), words)


def predictor_of(device: str, agents: str | None) -> Predictor:
    """Of the board's usual runtime, or, with agents, of the one that they clock in."""
    return Predictor.load(device, runtime=RUNTIME if agents else None)
