"""Searches killed at random moments: no finished trial lost, none run twice, the same end."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from edgetune.search.study import Study

TRIALS = 150
SEARCH = textwrap.dedent(
    """
    import sys
    import time
    from pathlib import Path
    from edgetune.search.nsga2 import NSGA2
    from edgetune.search.objective import Objective
    from edgetune.search.problem import Problem
    from edgetune.search.run import run_search
    from edgetune.search.study import Study
    from edgetune.space.mobile import MOBILE_SMALL

    def cheap(sample):
        return {"size": float(sum(v for v in sample.values.values() if isinstance(v, int)))}

    def evaluate(sample):
        print(sample.hash, flush=True)
        time.sleep(0.002)
        return {"error": 1 / (1 + cheap(sample)["size"]) + sum(v == "relu" for v in sample.values.values()) / 1e4}

    path, ready = Path(sys.argv[1]), Path(sys.argv[2])
    problem = Problem(MOBILE_SMALL.space, (Objective("error"), Objective("size", limit=500, cheap=True)), cheap)
    with Study.open(path) if path.exists() else Study.create(path, {}) as study:
        ready.touch()
        run_search(study, NSGA2(problem, seed=1), evaluate, trials=int(sys.argv[3]), seed=1)
    """
)


def start(path: Path, ready: Path) -> subprocess.Popen[str]:
    ready.unlink(missing_ok=True)
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", SEARCH, str(path), str(ready), str(TRIALS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_killed_searches_resume_to_the_uninterrupted_end(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    whole = start(tmp_path / "whole.db", ready)
    whole_started, _ = whole.communicate(timeout=120)
    rng = random.Random(0)
    started: list[str] = []
    kills = 0
    while True:
        search = start(tmp_path / "study.db", ready)
        while not ready.exists() and search.poll() is None:
            time.sleep(0.001)
        if kills < 12:
            time.sleep(rng.uniform(0.0, 0.08))
            search.send_signal(signal.SIGKILL)
        output, _ = search.communicate(timeout=120)
        started += output.split()
        with sqlite3.connect(tmp_path / "study.db") as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert database.execute("SELECT count(*) FROM trials").fetchone()[0] >= len(set(started)) - 1
        if search.returncode == 0:
            break
        assert search.returncode == -signal.SIGKILL
        kills += 1
    assert kills > 3  # or the machine was so quick that nothing was tested
    assert len(started) - len(set(started)) <= kills  # only the trial in flight is run again
    with Study.open(tmp_path / "study.db") as study, Study.open(tmp_path / "whole.db") as expected:
        assert study.trials() == expected.trials()
        assert [trial.sample.hash for trial in study.trials()] == whole_started.split()
