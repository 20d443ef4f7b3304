"""Trials as tasks on a Ray cluster, whose machines may come and go."""

from __future__ import annotations

import json
import math
import os
import socket
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from edgetune.errors import EngineError, MissingDependencyError
from edgetune.search.engines.base import Engine, EvaluatorSource, Job, Outcome
from edgetune.search.engines.processes import ProcessPool
from edgetune.search.engines.worker_process import NO_LIMITS, Limits

RETRIES = 3
"""How often a trial whose machine was lost is begun again."""
KNOCK_SECONDS = 10.0


class RayTasks(Engine):
    """A task a trial. What crosses machines is JSON: which factory, which job, which outcome.

    A task keeps a worker process of :class:`ProcessPool` beside it, so that a trial that hangs, crashes or takes too
    much memory fails as it does there and is not begun again. Only trials lost with their machine are: Ray begins them
    elsewhere, with the same seed. Each machine has edgetune installed and sees what the factory reads.

    Parameters
    ----------
    address
        Of the cluster: `"auto"`, `"host:6379"`, `"ray://host:10001"`. Without one, a cluster of this machine alone is
        started.
    workers
        Trials under way at once; by default as many as the cluster has processors now.

    Raises
    ------
    MissingDependencyError
        Ray is not installed.
    EngineError
        There is no cluster at this address.
    """

    def __init__(
        self,
        source: EvaluatorSource,
        *,
        address: str | None = None,
        workers: int | None = None,
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._ray, self._ours = _connected(address)
        resources = self._ray.cluster_resources()
        super().__init__(workers or max(1, int(resources.get("CPU", 1))))
        self._source = source.to_json()
        self._limits = json.dumps(asdict(limits))
        self._task = self._ray.remote(
            num_cpus=1,
            num_gpus=gpu_share(resources.get("GPU", 0), self.workers),
            max_retries=RETRIES,
            scheduling_strategy="SPREAD",
        )(evaluate_here)
        self._jobs: dict[Any, Job] = {}

    def submit(self, job: Job) -> None:
        self._jobs[self._task.remote(self._source, job.to_json(), self._limits)] = job

    def next(self) -> tuple[Job, Outcome]:
        (done,), _ = self._ray.wait(list(self._jobs), num_returns=1)
        job = self._jobs.pop(done)
        errors = self._ray.exceptions
        lost = (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, errors.ObjectLostError)
        try:
            answer = json.loads(self._ray.get(done))
        except lost as reason:
            return job, Outcome(error=f"lost {RETRIES + 1} times: {str(reason).splitlines()[0]}")
        except errors.RayError as reason:
            raise EngineError(f"the cluster fails: {reason}", where="ray", mend="mend it, then resume") from reason
        if "unable" in answer:
            raise EngineError(answer["unable"], where="ray", mend="see what the workers printed")
        return job, Outcome.from_json(answer["outcome"])

    def close(self) -> None:
        """Leaves the cluster, unless the program was connected to one before."""
        if self._ours:
            self._ray.shutdown()


def evaluate_here(source: str, job: str, limits: str) -> str:
    """The task: a job's outcome, or why none can be had on this machine."""
    pool = _pool(source, limits)
    pool.submit(Job.from_json(job))
    try:
        _, outcome = pool.next()
    except EngineError as error:
        _pool.cache_clear()
        return json.dumps({"unable": error.what})
    return json.dumps({"outcome": outcome.to_json()})


@lru_cache(maxsize=1)
def _pool(source: str, limits: str) -> ProcessPool:
    """Of one worker, which outlives the task: Ray keeps the process that ran it for the next one."""
    return ProcessPool(EvaluatorSource.from_json(source), workers=1, limits=Limits(**json.loads(limits)))


def gpu_share(gpus: float, workers: int) -> float:
    """The part of a GPU that each trial gets, so that as many fit on each as there are workers for it.

    >>> gpu_share(2, 3), gpu_share(4, 2), gpu_share(0, 8)
    (0.5, 1.0, 0.0)
    """
    return 1 / math.ceil(workers / gpus) if gpus else 0.0


def check_cluster(address: str | None) -> None:
    """Whether :class:`RayTasks` has something to connect to, without connecting.

    Raises
    ------
    MissingDependencyError
        Ray is not installed.
    EngineError
        Not an address, or nobody listens there.
    """
    _ray()
    if address:
        _knock(address)


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told of a search
    try:
        import ray
    except ImportError:
        raise MissingDependencyError("Ray is not installed", mend="pip install 'edgetune[ray]'") from None
    return ray


def _connected(address: str | None) -> tuple[Any, bool]:
    """Ray, and whether it was connected here."""
    ray = _ray()
    if ray.is_initialized():
        return ray, False
    # Only a cluster that is started here may be told what it consists of.
    own = {} if address else {"include_dashboard": False}
    if address:
        _knock(address)
    try:
        ray.init(address=address or "local", logging_level="ERROR", **own)
    except (OSError, RuntimeError, ValueError) as error:
        raise _no_answer(address or "ray", error) from error
    return ray, True


def _knock(address: str) -> None:
    """Ray itself tries for many minutes."""
    if address in ("auto", "local"):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise EngineError("not the address of a cluster", where=address, mend="write auto, or HOST:6379")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:  # a port beyond 65535
        raise _no_answer(address, error) from error


def _no_answer(address: str, error: Exception) -> EngineError:
    return EngineError(
        f"no Ray cluster answers: {str(error).splitlines()[0]}",
        where=address,
        mend="start one with `ray start --head`, and name it with --address HOST:6379",
    )
