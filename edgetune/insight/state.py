"""How far a run is, read from its study alone: safe while another process writes to it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgetune.report.explanation import Event
from edgetune.search.note_names import EVENTS, IMPORTANCE, PLAN, PROGRESS, SECONDS, WORKERS
from edgetune.search.objective import Objective
from edgetune.search.pareto import front, hypervolume_history
from edgetune.search.problem import Problem
from edgetune.search.problem_note import noted_objectives
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.space.parameters import Space


@dataclass(frozen=True)
class RunState:
    """A run at one moment.

    Parameters
    ----------
    planned
        Trials it means to make; None before it has a plan.
    hypervolume
        After each trial, below the worst finished trial on each axis, in the product of the objectives' units.
    progress
        The stage under way and how much of it is done: `{"stage": …, "done": …, "total": …, "at": Unix time}`.
    importance
        What :meth:`edgetune.search.importance.Importance.to_json` gave last.
    """

    trials: tuple[Trial, ...]
    objectives: tuple[Objective, ...]
    planned: int | None = None
    created_at: float = 0.0
    front: tuple[Trial, ...] = ()
    hypervolume: tuple[float, ...] = ()
    progress: Mapping[str, Any] | None = None
    importance: Mapping[str, Any] | None = None
    events: tuple[Event, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    workers: int = 1

    @property
    def states(self) -> Counter[str]:
        """How many trials ended how."""
        return Counter(trial.state for trial in self.trials)

    @property
    def seconds_left(self) -> float | None:
        """Of the trials to come, at the pace of the last ones; None where it is not known or a threshold ended them."""
        if self.planned is None or len(self.trials) < 2 or any(event.action == "stop" for event in self.events):
            return None
        last = self.trials[-20:]
        pace = (last[-1].finished_at - last[0].finished_at) / (len(last) - 1)
        return max(0, self.planned - len(self.trials)) * max(pace, 0.0)

    @classmethod
    def read(cls, path: Path) -> RunState:
        """The state of the study at `path`, opened read-only.

        Raises
        ------
        StudyError
            There is no study.
        """
        with Study.open(path, read_only=True) as study:
            trials = study.trials()
            objectives = noted_objectives(study)
            state = cls(
                trials=tuple(trials),
                objectives=objectives,
                planned=(study.note(PLAN) or {}).get("trials"),
                created_at=study.created_at,
                progress=study.note(PROGRESS),
                importance=study.note(IMPORTANCE),
                events=tuple(Event(**given) for given in study.note(EVENTS, [])),
                seconds=study.note(SECONDS, {}),
                workers=study.note(WORKERS) or 1,
            )
        if not objectives:
            return state
        problem = judging(objectives)
        values = vars(state) | {
            "front": tuple(front(problem, trials)),
            "hypervolume": tuple(hypervolume_history(problem, trials)),
        }
        return cls(**values)


def judging(objectives: Sequence[Objective]) -> Problem:
    """A problem that can rank trials by these objectives; nothing can be asked of it."""
    return Problem(Space("judging", ()), tuple(objectives), lambda sample: {})


def note_event(study: Study, event: Event) -> bool:
    """Adds an event, unless it stands there already: a resumed search repeats what it decided. Whether it is new."""
    events = study.note(EVENTS, [])
    if new := asdict(event) not in events:
        study.set_note(EVENTS, [*events, asdict(event)])
    return new


def note_progress(study: Study, stage: str, done: int, total: int) -> None:
    study.set_note(PROGRESS, {"stage": stage, "done": done, "total": total, "at": time.time()})
