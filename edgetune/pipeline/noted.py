"""A reporter that also writes down in the study how far the run is, for whoever watches it from another process."""

from __future__ import annotations

import threading
import time

from edgetune.insight.state import note_progress
from edgetune.reporter import Reporter
from edgetune.search.study import Study

EVERY = 2.0  # seconds


class Noted(Reporter):
    """Passes everything on. Trainings side by side may report from threads of their own."""

    def __init__(self, reporter: Reporter, study: Study) -> None:
        self.reporter, self.study = reporter, study
        self._at: dict[str, float] = {}
        self._thread = threading.get_ident()  # SQLite's connection belongs to it

    def progress(self, stage: str, done: int, total: int) -> None:
        self.reporter.progress(stage, done, total)
        now = time.monotonic()
        if done < total and now - self._at.get(stage, -EVERY) < EVERY:
            return
        self._at[stage] = now
        if threading.get_ident() == self._thread:
            note_progress(self.study, stage, min(done, total), total)
        else:
            with Study.open(self.study.path) as study:
                note_progress(study, stage, min(done, total), total)

    def say(self, text: str) -> None:
        self.reporter.say(text)
