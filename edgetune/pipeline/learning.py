"""How a search uses what it and earlier ones have learnt: warm starts, the adapting space, thresholds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

from edgetune.errors import StorageError
from edgetune.files import atomic_write
from edgetune.insight.explain import Judge, insight_of
from edgetune.insight.sensitivity import Sensitivity
from edgetune.insight.state import note_event
from edgetune.latency.roofline import roofline
from edgetune.pipeline.library import DATA, TRAINING, Entry, entry_of, library_folder, related, remember
from edgetune.pipeline.meta_features import meta_features
from edgetune.pipeline.plan import Plan
from edgetune.pipeline.task import Task
from edgetune.report.explanation import Event, Insight
from edgetune.reporter import Say
from edgetune.search.adaptive import AdaptiveSpace
from edgetune.search.narrowing import Change
from edgetune.search.problem_note import note_objectives
from edgetune.search.strategy import Strategy
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.search.warm_start import WarmStart

PAST = "past"
"""The study's note with the earlier studies it listens to: their library may change, a resumed search may not."""


def earlier_studies(task: Task) -> list[Entry]:
    """What `warm_start` names: nothing, one run, or the related studies of the library.

    Raises
    ------
    StudyError
        The named run is none.
    """
    named = task.config.learning.warm_start
    if named == "off":
        return []
    if named != "auto":
        return [entry_of(Path(named))]
    return related(task.problem, library_folder(task.config.learning.library), meta_features(task.dataset))


def begin(study: Study, task: Task, entries: list[Entry], say: Say) -> None:
    """Writes down, once, what the search is about and what it starts from."""
    note_objectives(study, task.problem)
    study.set_note(DATA, meta_features(task.dataset))
    study.set_note(PAST, [asdict(entry) for entry in entries])
    if entries:
        say(f"warm start from {', '.join(entry.source for entry in entries)}")


def take_supernet(study: Study, task: Task, plan: Plan, checkpoint: Path, say: Say) -> None:
    """Takes over the supernet of an earlier study, where its training was the same in everything that decides weights.

    The board, the limits and the strategy decide none of them. A supernet that was half trained goes on from there.
    """
    config = task.config
    decides = {
        "data": task.dataset.content_hash,
        "space": repr(task.space),  # its pools may differ between versions
        "supernet": asdict(plan.supernet),
        "teacher": config.teacher or {"from": config.init_teacher, "recipe": asdict(plan.teacher)},
        "config": config.model_dump(include={"distillation", "augmentation", "seed"}),
    }
    training = sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()
    study.set_note(TRAINING, training)
    for entry in (Entry(**given) for given in study.note(PAST, [])):
        earlier = Path(entry.run) / checkpoint.name
        if entry.training == training and earlier.is_file() and not checkpoint.exists():
            with atomic_write(checkpoint) as aside:
                shutil.copyfile(earlier, aside)
            say(f"the supernet is that of {entry.source}")


def strategy_of(study: Study, task: Task, say: Say) -> Strategy:
    """The configured strategy, with what is wrapped around it."""
    learning, strategy = task.config.learning, task.new_strategy()
    if pasts := [Entry(**given).past for given in study.note(PAST, [])]:
        strategy = WarmStart(strategy, pasts)
    if learning.adapt:

        def tell(change: Change) -> None:
            options = ", ".join(map(str, change.options))
            event = Event(change.trials, change.action, f"{change.label}: {options}", change.reason)
            note_event(study, event)
            say(f"{event.action} {event.what} ({event.reason})")

        strategy = AdaptiveSpace(strategy, explore=learning.explore, on_change=tell)
    return strategy


def sensitivity_of(study: Study, task: Task, say: Say) -> Sensitivity:
    learning = task.config.learning
    return Sensitivity(study, task.problem, warn_failed=learning.warn_failed, stop_flat=learning.stop_flat, say=say)


def insight_into(task: Task, trials: Sequence[Trial], chosen: Sequence[Trial], judge: Judge) -> Insight:
    """Why the finalists are what they are, and how their kernels stand below the board's ceilings."""
    found = insight_of(task.problem, trials, chosen, judge)
    explanations = [
        replace(explained, roofline=roofline(task.graph(trial.sample), task.predictor))
        for explained, trial in zip(found.explanations, chosen, strict=True)
    ]
    return replace(found, explanations=tuple(explanations))


def finish(run: Path, task: Task, say: Say) -> None:
    """Keeps the finished study for later searches; a library that cannot be written is no reason to fail."""
    library = library_folder(task.config.learning.library)
    try:
        remember(run, library)
    except StorageError as error:
        say(f"warning: the study was not kept for warm starts: {error}")
