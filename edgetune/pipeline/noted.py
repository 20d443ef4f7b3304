"""A reporter that also writes down in the study how far the run is, for whoever watches it from another process."""

from __future__ import annotations

import threading
import time

from edgetune.insight.state import note_progress
from edgetune.reporter import Reporter
from edgetune.search.study import Study

EVERY = 2.0  # seconds


class Noted(Reporter):
    """Passes everything on."""

    def __init__(self, reporter: Reporter, study: Study) -> None:
        self.reporter, self.study = reporter, study
        self._stage, self._at = "", 0.0
        self._thread = threading.get_ident()  # SQLite's connection belongs to it

    def progress(self, stage: str, done: int, total: int) -> None:
        self.reporter.progress(stage, done, total)
        now = time.monotonic()
        if threading.get_ident() != self._thread:
            return
        if stage != self._stage or done >= total or now - self._at > EVERY:
            self._stage, self._at = stage, now
            note_progress(self.study, stage, min(done, total), total)

    def say(self, text: str) -> None:
        self.reporter.say(text)
