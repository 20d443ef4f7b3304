"""Trials in a pool of processes on this machine, each with a limit on its time and its memory."""

from __future__ import annotations

import os
import selectors
from collections import deque

from edgetune.search.engines.base import Engine, EvaluatorSource, Job, Outcome
from edgetune.search.engines.worker_process import NO_LIMITS, Limits, WorkerProcess

LOOK_EVERY = 0.05  # seconds, at the limits


class ProcessPool(Engine):
    """Workers are started when there is work for them, load once, and are replaced when they die.

    A trial that kills its worker, is killed with it (by the kernel, when memory is out) or takes more than the limits
    allow has failed, with the reason; the search goes on with a new worker.
    """

    def __init__(self, source: EvaluatorSource, *, workers: int, limits: Limits = NO_LIMITS) -> None:
        super().__init__(workers)
        self.source = source
        self.limits = limits
        self._pool: list[WorkerProcess] = []
        self._waiting: deque[Job] = deque()

    def submit(self, job: Job) -> None:
        self._waiting.append(job)
        self._hand_out()

    def next(self) -> tuple[Job, Outcome]:
        limited = self.limits != NO_LIMITS
        while True:
            self._hand_out()
            with selectors.DefaultSelector() as selector:
                for worker in self._pool:
                    selector.register(worker, selectors.EVENT_READ, worker)
                ready = selector.select(LOOK_EVERY if limited else None)
            for worker in (key.data for key, _ in ready):
                job = worker.job
                outcome = worker.read()
                if job is not None and outcome is not None:
                    return job, outcome
            for worker in self._pool:
                job = worker.job
                outcome = worker.overdrawn()
                if job is not None and outcome is not None:
                    return job, outcome

    def close(self) -> None:
        for worker in self._pool:
            worker.kill()
        self._pool.clear()

    def _hand_out(self) -> None:
        self._forget_the_dead()
        while self._waiting:
            worker = next((worker for worker in self._pool if worker.job is None), None)
            if worker is None:
                if len(self._pool) >= self.workers:
                    return
                worker = WorkerProcess(self.source, self.limits, threads=threads_each(self.workers))
                self._pool.append(worker)
            worker.start(self._waiting.popleft())

    def _forget_the_dead(self) -> None:
        for worker in [worker for worker in self._pool if worker.job is None and not worker.alive]:
            worker.kill()  # what it started may live on
            self._pool.remove(worker)


def threads_each(workers: int) -> int:
    """Threads a worker, so that together they do not fight for the processors that this process may use."""
    return max(1, len(os.sched_getaffinity(0)) // workers)
