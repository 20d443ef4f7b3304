"""Searches killed with `kill -9` at random moments and resumed until they end.

    python -m tools.bench.kill --kills 50

Counts finished trials that were lost, trials that were run twice though they were finished, and compares each study
with that of a search which was never stopped. The evaluation is a toy of 2 ms; the store and the loop are tested.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from edgetune.search.nsga2 import NSGA2
from edgetune.search.objective import Objective
from edgetune.search.pareto import front
from edgetune.search.problem import Problem
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.space.mobile import MOBILE_SMALL
from edgetune.space.parameters import Sample

TRIALS = 150
MOST = 8  # trials that a search begins before it is killed
PAUSE = 0.002  # seconds an evaluation takes


def cheap(sample: Sample) -> dict[str, float]:
    return {"size": float(sum(value for value in sample.values.values() if isinstance(value, int)))}


def evaluate(sample: Sample) -> dict[str, float]:
    print(sample.hash, flush=True)
    time.sleep(PAUSE)
    relus = sum(value == "relu" for value in sample.values.values())
    return {"error": 1 / (1 + cheap(sample)["size"]) + relus / 1e4}


PROBLEM = Problem(MOBILE_SMALL.space, (Objective("error"), Objective("size", limit=500, cheap=True)), cheap)


def toy_search(path: Path, ready: Path, seed: int) -> None:
    """What is killed: it says which trials it begins, and when it has opened its study."""
    with Study.open(path) if path.exists() else Study.create(path, {}) as study:
        ready.touch()
        run_search(study, NSGA2(PROBLEM, seed=seed), evaluate, trials=TRIALS, seed=seed)


def started(path: Path, seed: int) -> subprocess.Popen[str]:
    """The toy search in a process of its own, its study open."""
    ready = path.with_suffix(".ready")
    ready.unlink(missing_ok=True)
    command = [sys.executable, "-c", CALL, str(path), str(ready), str(seed)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    search = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    while not ready.exists() and search.poll() is None:
        time.sleep(0.001)
    return search


CALL = "import sys; from pathlib import Path; from tools.bench.kill import toy_search;"
CALL += "toy_search(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))"


@dataclass
class Tally:
    """What killing did.

    Parameters
    ----------
    lost
        Trials that were finished at one time and not in the study later.
    twice
        Trials that were begun again though the study held them.
    different
        Studies that ended with another front, or other trials, than one that was never stopped.
    corrupt
        Looks at the database that found it damaged.
    """

    kills: int = 0
    studies: int = 0
    trials: int = 0
    lost: int = 0
    twice: int = 0
    different: int = 0
    corrupt: int = 0
    begun_again: int = 0
    held: set[str] = field(default_factory=set)


def kill_and_resume(folder: Path, kills: int, seed: int = 0) -> Tally:
    """Kills searches so many times; each is resumed until it ends, then the next one is begun."""
    rng = random.Random(seed)
    tally = Tally()
    while tally.kills < kills:
        _one_study(folder / f"{tally.studies}.db", kills, seed + tally.studies, rng, tally)
        tally.studies += 1
    return tally


def _one_study(path: Path, kills: int, seed: int, rng: random.Random, tally: Tally) -> None:
    begun: Counter[str] = Counter()
    tally.held = set()
    while True:
        search = started(path, seed)
        output = ""
        if tally.kills < kills:
            assert search.stdout is not None
            output = "".join(search.stdout.readline() for _ in range(rng.randrange(MOST)))
            time.sleep(rng.uniform(0.0, 2 * PAUSE))  # in the middle of a trial, of its writing, or of what follows
            search.send_signal(signal.SIGKILL)
        output += search.communicate(timeout=600)[0]
        tally.twice += len(set(output.split()) & tally.held)
        begun.update(output.split())
        _look(path, tally)
        if search.returncode == 0:
            break
        assert search.returncode == -signal.SIGKILL, "the search failed by itself"
        tally.kills += 1
    tally.begun_again += sum(count - 1 for count in begun.values())
    whole = path.with_suffix(".whole.db")
    search = started(whole, seed)
    search.communicate(timeout=600)
    with Study.open(path) as study, Study.open(whole) as expected:
        trials = study.trials()
        tally.trials += len(trials)
        same_front = front(PROBLEM, trials) == front(PROBLEM, expected.trials())
        tally.different += not (same_front and trials == expected.trials())


def _look(path: Path, tally: Tally) -> None:
    with sqlite3.connect(path) as database:
        tally.corrupt += database.execute("PRAGMA integrity_check").fetchone() != ("ok",)
        now = {row[0] for row in database.execute("SELECT sample_hash FROM trials")}
    tally.lost += len(tally.held - now)
    tally.held = now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        tally = kill_and_resume(Path(folder), arguments.kills, arguments.seed)
    print(
        f"{tally.kills} kills of {tally.studies} searches, {tally.trials} trials, {time.perf_counter() - began:.0f} s"
    )
    print(f"finished trials lost: {tally.lost}; run twice: {tally.twice}; begun again when killed: {tally.begun_again}")
    print(f"studies unlike one never stopped: {tally.different}; databases found damaged: {tally.corrupt}")


if __name__ == "__main__":
    main()
