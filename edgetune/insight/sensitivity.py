"""What matters, worked out again every few trials of a running search, and the thresholds that act on it."""

from __future__ import annotations

from collections.abc import Callable

from edgetune.insight.state import note_event
from edgetune.report.explanation import Event
from edgetune.search.importance import importance
from edgetune.search.note_names import EVENTS, IMPORTANCE
from edgetune.search.pareto import front
from edgetune.search.problem import Problem
from edgetune.search.study import Study
from edgetune.search.trial import Trial

EVERY = 20  # trials between two estimates
WARNING = ("warn", "failures")
SETTLING = 10  # trials before the share of failures means anything


class Sensitivity:
    """Listens to trials: keeps the importance of each parameter in the study, warns, and says when to stop.

    Everything depends on the study's trials alone, so that a resumed search acts as one that never stopped.

    Parameters
    ----------
    warn_failed
        Share of failed trials from which on it warns, once.
    stop_flat
        Trials in a row without a new point on the front after which the search should stop; None: never.
    say
        Told each event in one line.
    """

    def __init__(
        self,
        study: Study,
        problem: Problem,
        *,
        warn_failed: float = 1.0,
        stop_flat: int | None = None,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.study, self.problem, self.say = study, problem, say
        self.warn_failed, self.stop_flat = warn_failed, stop_flat
        self.trials = {trial.number: trial for trial in study.trials()}
        noted = [(event["action"], event["what"]) for event in study.note(EVENTS, [])]
        self._warned = WARNING in noted  # before the search was stopped

    def __call__(self, trial: Trial) -> None:
        """After each trial."""
        self.trials[trial.number] = trial
        if len(self.trials) % EVERY == 0:
            self.update()
        self._watch_failures()

    def update(self) -> None:
        """Writes the importance of each parameter to the study."""
        found = importance(self.problem, self._in_order())
        if found is not None:
            self.study.set_note(IMPORTANCE, found.to_json())

    def stop(self) -> bool:
        """Whether the front has stood still for as long as the threshold says."""
        if self.stop_flat is None or len(self.trials) <= self.stop_flat:
            return False
        trials = self._in_order()
        last = max((trial.number for trial in front(self.problem, trials)), default=-1)
        if len(trials) - 1 - last < self.stop_flat:
            return False
        reason = f"no new point on the front since trial {last}; the threshold is {self.stop_flat} trials"
        self._act(Event(len(trials), "stop", "the search", reason))
        return True

    def _watch_failures(self) -> None:
        failed = sum(trial.state == "failed" for trial in self.trials.values())
        if self._warned or len(self.trials) < SETTLING or failed <= self.warn_failed * len(self.trials):
            return
        self._warned = True
        latest = max((t for t in self.trials.values() if t.state == "failed"), key=lambda trial: trial.number)
        reason = f"{failed} of {len(self.trials)} trials failed, the last with: {latest.error}"
        self._act(Event(len(self.trials), *WARNING, reason))

    def _act(self, event: Event) -> None:
        note_event(self.study, event)
        self.say(f"{event.action}: {event.what}: {event.reason}")

    def _in_order(self) -> list[Trial]:
        return [self.trials[number] for number in sorted(self.trials)]
