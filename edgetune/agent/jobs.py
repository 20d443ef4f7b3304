"""The queue: one measurement at a time, in the order they came, each with an end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from edgetune.agent.audit import Audit
from edgetune.agent.measure import Request
from edgetune.agent.measurement import Measurement
from edgetune.agent.wire import JobStatus, Problem, Refusal, State
from edgetune.errors import EdgetuneError, MeasurementError

KEPT = 64
"""Finished jobs whose results can still be asked for: more than hosts wait for, and a megabyte each where a host asked
for a network's answers."""

FORGOTTEN = 300.0
"""Seconds after which an unfinished job that nobody asks about is ended; hosts bear a cut link for 180."""

Measure = Callable[[Path, Request, threading.Event], Measurement]


@dataclass
class Job:
    """One measurement, asked for by `id`."""

    id: str
    model: Path
    request: Request
    state: State = "queued"
    measurement: Measurement | None = None
    problem: Problem | None = None
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    listeners: int = 0
    asked: float = field(default_factory=time.monotonic)
    """When somebody last did."""


class JobQueue:
    """Jobs by id. Asking twice for one is asking once, so that a host may repeat what it lost the answer to."""

    def __init__(self, measure: Measure, audit: Audit, *, longest: int) -> None:
        self.measure, self.audit, self.longest = measure, audit, longest
        self.jobs: OrderedDict[str, Job] = OrderedDict()
        self.arrived = asyncio.Event()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="measurement")

    def put(self, id: str, model: Path, request: Request, *, client: str) -> Job:
        """
        Raises
        ------
        Refusal
            The queue is full, or the id belongs to another job.
        """
        known = self.jobs.get(id)
        if known is not None:
            if (known.model, known.request) != (model, request):
                raise Refusal(409, "other_job", "this id belongs to another job", mend="take a new one")
            return known
        if len(self.waiting()) >= self.longest:
            raise Refusal(503, "queue_full", "too many jobs wait", mend="try again later", headers={"retry-after": "5"})
        job = self.jobs[id] = Job(id, model, request)
        self.forget_old()
        self.audit.write("job", client=client, id=id, model=model.name, runtime=request.runtime)
        self.arrived.set()
        return job

    def get(self, id: str) -> Job:
        if id not in self.jobs:
            raise Refusal(404, "no_such_job", "there is no such job", mend="ask for it again")
        return self.jobs[id]

    def status(self, id: str) -> JobStatus:
        job = self.get(id)
        ahead = self.unfinished().index(job) if job.state == "queued" else 0
        return JobStatus(id=id, state=job.state, ahead=ahead, measurement=job.measurement, error=job.problem)

    async def wait(self, id: str, seconds: float) -> JobStatus:
        """The status once the job is finished, or after so many seconds."""
        job = self.get(id)
        job.listeners += 1
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(job.finished.wait(), seconds)
        finally:
            job.listeners -= 1
            job.asked = time.monotonic()
        return self.status(id)

    def end_forgotten(self) -> None:
        """Of a host that was stopped, say."""
        for job in self.unfinished():
            if not job.listeners and time.monotonic() - job.asked > FORGOTTEN:
                self.cancel(job.id)

    def cancel(self, id: str) -> None:
        job = self.get(id)
        job.cancelled.set()
        if job.state == "queued":
            self.end(job, Problem(code="cancelled", message="cancelled"))

    def waiting(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.state == "queued"]

    def unfinished(self) -> list[Job]:
        return [job for job in self.jobs.values() if job.state in ("queued", "running")]

    def forget_old(self) -> None:
        finished = [job for job in self.jobs.values() if job.state in ("done", "failed")]
        for job in finished[: max(0, len(finished) - KEPT)]:
            del self.jobs[job.id]

    async def sweep(self) -> None:
        """Ends forgotten jobs until it is cancelled."""
        while True:
            await asyncio.sleep(FORGOTTEN / 10)
            self.end_forgotten()

    async def work(self) -> None:
        """Runs jobs until it is cancelled; then the running one is ended too."""
        running: Job | None = None
        try:
            while True:
                waiting = self.waiting()
                if not waiting:
                    self.arrived.clear()
                    await self.arrived.wait()
                    continue
                running = waiting[0]
                await self.run(running)
        finally:
            if running is not None:
                running.cancelled.set()
            self.thread.shutdown(wait=False)

    async def run(self, job: Job) -> None:
        job.state = "running"
        loop = asyncio.get_running_loop()
        try:
            job.measurement = await loop.run_in_executor(
                self.thread, self.measure, job.model, job.request, job.cancelled
            )
        except MeasurementError as error:
            self.end(job, Problem(code=error.code, message=error.what, mend=error.mend))
        except EdgetuneError as error:
            self.end(job, Problem(code="not_measured", message=error.what, mend=error.mend))
        except Exception as error:
            self.end(job, Problem(code="agent_failed", message=f"{type(error).__name__}: {error}"))
        else:
            self.end(job, None)

    def end(self, job: Job, problem: Problem | None) -> None:
        job.state = "done" if problem is None else "failed"
        job.problem = problem
        job.finished.set()
        self.audit.write("job ended", id=job.id, state=job.state, code=problem.code if problem else None)
