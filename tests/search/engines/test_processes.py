"""Trials that hang, crash or take all memory cost a worker, never the search."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from edgetune.errors import EngineError
from edgetune.search.engines.base import EvaluatorSource, Job
from edgetune.search.engines.processes import ProcessPool, threads_each
from edgetune.search.engines.worker_process import Limits
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.random import RandomSearch
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.space.parameters import Choice, Space
from tests.search.engines import toys

MISBEHAVING = EvaluatorSource(f"{toys.HERE}:misbehaving")
LIMITS = Limits(seconds=1.5, memory_bytes=300_000_000)


def outcome_of(engine: ProcessPool, width: int) -> str:
    engine.submit(Job(0, toys.SPACE.sample({"width": width, "op": "a", "lr": 0.1}), seed=0))
    _, outcome = engine.next()
    return outcome.error or "fine"


@pytest.mark.parametrize(
    ("width", "error"),
    [
        (16, "took longer than 1.5 s"),
        (24, "MB of memory, the limit is 300 MB"),
        (32, "the worker was killed by SIGKILL; is the machine out of memory?"),
        (40, "the worker ended with exit code 3"),
    ],
)
def test_a_bad_trial_costs_its_worker_alone(width: int, error: str) -> None:
    with ProcessPool(MISBEHAVING, workers=1, limits=LIMITS) as engine:
        assert error in outcome_of(engine, width)
        assert outcome_of(engine, 72) == "fine"


def test_a_search_goes_on_whatever_its_trials_do(tmp_path: Path) -> None:
    """Seven of eight widths go wrong, each in its way."""
    space = Space("bad", (Choice("width", (8, 16, 24, 32, 40, 48, 56, 72)),))
    problem = Problem(space, (Objective("error"),))
    with (
        Study.create(tmp_path / "study.db", {}) as study,
        ProcessPool(MISBEHAVING, workers=3, limits=LIMITS) as engine,
    ):
        trials = run_search(study, RandomSearch(problem), engine, trials=20, batch=4)
        assert study.trials() == trials
    assert [trial.number for trial in trials] == list(range(8))
    assert [int(trial.sample["width"]) for trial in trials if trial.state == "done"] == [72]
    assert all(trial.error for trial in trials if trial.state == "failed")


def test_workers_load_once_and_run_at_once(tmp_path: Path) -> None:
    with ProcessPool(EvaluatorSource(f"{toys.HERE}:noisy", {"pause": 0.2}), workers=2) as engine:
        pids = set()
        began = None
        for number in range(8):
            engine.submit(Job(number, toys.SPACE.sample({"width": 8, "op": "a", "lr": 0.1}), seed=number))
            if number % 2:
                engine.next()
                began = began or time.monotonic()  # both have loaded
                engine.next()
                pids |= {worker._process.pid for worker in engine._pool}
    assert len(pids) == 2
    assert began is not None and time.monotonic() - began < 6 * 0.2 + 0.2


def test_a_worker_that_dies_while_it_loads_is_said() -> None:
    with ProcessPool(EvaluatorSource(f"{toys.HERE}:dying"), workers=1) as engine:
        engine.submit(Job(0, toys.SPACE.sample({"width": 8, "op": "a", "lr": 0.1}), seed=0))
        with pytest.raises(EngineError, match="exit code 1 while it got ready"):
            engine.next()


def test_no_worker_outlives_the_engine_or_a_killed_search(tmp_path: Path) -> None:
    with ProcessPool(MISBEHAVING, workers=1) as engine:
        assert outcome_of(engine, 72) == "fine"
        (worker,) = psutil.Process().children()
    assert not worker.is_running()
    script = textwrap.dedent(
        f"""
        from edgetune.search.engines.base import EvaluatorSource, Job
        from edgetune.search.engines.processes import ProcessPool
        from tests.search.engines import toys
        engine = ProcessPool(EvaluatorSource("{toys.HERE}:misbehaving"), workers=1)
        for width in (72, 16):  # the second one hangs
            engine.submit(Job(0, toys.SPACE.sample({{"width": width, "op": "a", "lr": 0.1}}), seed=0))
            print(engine._pool[0]._process.pid, flush=True)
            engine.next()
        """
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    search = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
    assert search.stdout is not None
    pids = {int(search.stdout.readline()) for _ in range(2)}
    search.send_signal(signal.SIGKILL)
    search.communicate()
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_share_the_processors() -> None:
    processors = len(os.sched_getaffinity(0))
    assert threads_each(1) == processors
    assert threads_each(10 * processors) == 1
