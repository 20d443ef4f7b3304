"""How a search uses what it and earlier ones have learnt: warm starts, the adapting space, thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from edgetune.data.pictures import Pictures
from edgetune.errors import StorageError, StudyError
from edgetune.insight.explain import Judge, insight_of
from edgetune.insight.sensitivity import Sensitivity
from edgetune.insight.state import note_event
from edgetune.latency.roofline import roofline
from edgetune.pipeline.library import DATA, Entry, entry_of, library_folder, related, remember
from edgetune.pipeline.meta_features import LOOKED_AT, TEACHER, meta_features
from edgetune.pipeline.reptile_start import choose_tasks
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.task import Task
from edgetune.report.explanation import Event, Insight
from edgetune.reporter import Say
from edgetune.search.adaptive import AdaptiveSpace
from edgetune.search.memory import Past, why_silent
from edgetune.search.narrowing import Change, in_words
from edgetune.search.narrowing_note import note_change
from edgetune.search.note_names import PAST
from edgetune.search.problem_note import note_objectives
from edgetune.search.strategy import Strategy
from edgetune.search.study import STUDY_FILE, Study
from edgetune.search.trial import Trial
from edgetune.search.warm_start import WarmStart


def named_study(task: Task) -> list[Entry] | None:
    """The run that `warm_start` names, or nothing; None where the library is to be asked.

    Raises
    ------
    StudyError
        The named run is none.
    """
    named = task.config.learning.warm_start
    if named in ("auto", "off"):
        return None if named == "auto" else []
    run = Path(named).parent if Path(named).name == STUDY_FILE else Path(named)
    if not RunFolder(run).study.is_file():
        raise StudyError(
            f"there is no run in {named!r}", where="--warm-start", mend="give auto, off, or a run's folder"
        )
    return [entry_of(run)]


def begin(study: Study, task: Task, entries: list[Entry] | None, say: Say) -> None:
    """Writes down, once, what the search is about and what it starts from, if that is decided."""
    note_objectives(study, task.problem)
    study.set_note(DATA, meta_features(task.dataset))
    choose_tasks(study, task, say)
    if entries is not None:
        _listen_to(study, entries, say)
        for entry in entries:
            if reason := why_silent(entry.past, task.problem):
                _tell(study, Event(0, "ignore", f"the trials of {entry.source}", reason), say)


def know_teacher(study: Study, task: Task, top1_of: Callable[[Pictures], float], say: Say) -> None:
    """Adds, once, what the teacher reaches to what tells data sets apart; then the library's most alike are known.

    Parameters
    ----------
    top1_of
        The teacher's top-1 on some pictures; those asked for are of the validation split.
    """
    data = study.note(DATA) or meta_features(task.dataset)
    if TEACHER not in data:
        data = {**data, TEACHER: top1_of(task.dataset.validation.first(LOOKED_AT))}
        study.set_note(DATA, data)
    if study.note(PAST) is None and task.config.learning.warm_start == "auto":
        _listen_to(study, related(task.problem, library_folder(task.config.learning.library), data, say), say)


def _listen_to(study: Study, entries: list[Entry], say: Say) -> None:
    """The study keeps them: their library may change, a resumed search may not."""
    study.set_note(PAST, [asdict(entry) for entry in entries])
    if entries:
        say(f"warm start from {', '.join(entry.source for entry in entries)}")


def noted_earlier(study: Study) -> list[Entry]:
    """The earlier studies that a search listens to."""
    return [Entry(**given) for given in study.note(PAST, [])]


def strategy_of(study: Study, task: Task, say: Say) -> Strategy:
    """The configured strategy, with what is wrapped around it."""
    learning, strategy = task.config.learning, task.new_strategy()
    if earlier := noted_earlier(study):

        def trusted(past: Past, trials: int, trust: float) -> None:
            reason = f"it ranks this search's trials rightly; trusted to {trust:.0%} so far"
            _tell(study, Event(trials, "trust", f"the trials of {past.source}", reason), say)

        strategy = WarmStart(strategy, [entry.past for entry in earlier], on_trust=trusted)
    if learning.adapt:

        def changed(change: Change) -> None:
            note_change(study, change)
            options = in_words(task.search_space.by_label[change.label], change.options)
            _tell(study, Event(change.trials, change.action, f"{change.label}: {options}", change.reason), say)

        def focused(trials: int, share: float) -> None:
            reason = "so rightly did the last look's surrogate rank the trials since"
            _tell(study, Event(trials, "focus", f"{share:.0%} of the proposals keep to their stretch", reason), say)

        strategy = AdaptiveSpace(
            strategy,
            explore=learning.explore,
            freeze_below=learning.freeze_below,
            pools=task.pools,
            on_change=changed,
            on_focus=focused,
        )
    return strategy


def _tell(study: Study, event: Event, say: Say) -> None:
    """Once: a resumed search decides again what it has decided."""
    if note_event(study, event):
        say(f"{event.action} {event.what} ({event.reason})")


def sensitivity_of(study: Study, task: Task, say: Say) -> Sensitivity:
    learning = task.config.learning
    return Sensitivity(study, task.problem, warn_failed=learning.warn_failed, stop_flat=learning.stop_flat, say=say)


def insight_into(task: Task, trials: Sequence[Trial], chosen: Sequence[Trial], judge: Judge | None) -> Insight:
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
    except (StorageError, OSError) as error:
        say(f"warning: the study was not kept for warm starts: {error}")
