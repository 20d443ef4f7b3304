"""Searches that are killed or run out of disk lose nothing that was finished, and end as if they had not been."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from edgetune.search.nsga2 import NSGA2
from edgetune.search.run import run_search
from edgetune.search.study import Study
from tools.bench import kill
from tools.bench.kill import kill_and_resume

KILLS = 12  # `python -m tools.bench.kill` does 50


def test_killed_searches_resume_to_the_uninterrupted_end(tmp_path: Path) -> None:
    tally = kill_and_resume(tmp_path, KILLS)
    assert tally.kills == KILLS
    assert tally.begun_again <= tally.kills, "only the trial in flight is run again"
    assert (tally.lost, tally.twice, tally.different, tally.corrupt) == (0, 0, 0, 0)


FULL = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    from edgetune.errors import StorageError
    from tools.bench.kill import toy_search

    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    try:
        toy_search(Path(sys.argv[1]), Path(sys.argv[1] + ".ready"), 0)
    except StorageError as error:
        sys.exit(f"said: {error}")
    """
)


def test_a_full_disk_ends_a_search_that_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """The kernel refuses to let files grow beyond 200 kB."""
    path = tmp_path / "study.db"
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    full = subprocess.run(
        [sys.executable, "-c", FULL, path], capture_output=True, text=True, env=environment, check=False
    )
    assert full.returncode == 1
    assert full.stderr.startswith("said: ") and "no room left on the disk (free some, then resume)" in full.stderr
    begun = full.stdout.split()
    with Study.open(path) as study:
        kept = study.trials()
        assert len(begun) - 1 <= len(kept) <= len(begun) < kill.TRIALS
        trials = run_search(study, NSGA2(kill.PROBLEM), kill.evaluate, trials=kill.TRIALS)
        assert trials[: len(kept)] == kept
    with Study.create(tmp_path / "whole.db", {}) as whole:
        assert run_search(whole, NSGA2(kill.PROBLEM), kill.evaluate, trials=kill.TRIALS) == trials
