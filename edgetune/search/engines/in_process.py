"""Trials one after the other, in this process."""

from __future__ import annotations

from collections import deque

from edgetune.search.engines.base import Engine, Evaluate, Job, Outcome, run_job


class InProcess(Engine):
    """The default: nothing to start, nothing to send. A trial that hangs or takes all memory takes the search along."""

    def __init__(self, evaluate: Evaluate) -> None:
        super().__init__(workers=1)
        self.evaluate = evaluate
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        self._waiting.append(job)

    def next(self) -> tuple[Job, Outcome]:
        job = self._waiting.popleft()
        return job, run_job(self.evaluate, job)
