from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgetune.cli.watch import progress_line, spark, state_json, trials_line, view
from edgetune.insight.state import RunState, note_event, note_progress
from edgetune.report.explanation import Event
from edgetune.search.nsga2 import NSGA2
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.problem_note import note_objectives
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.space.parameters import Choice, Sample, Space

SPACE = Space("toy", tuple(Choice(f"x{i}", (0, 1, 2, 3)) for i in range(4)))
PROBLEM = Problem(SPACE, (Objective("top1", "maximize"), Objective("latency_ms", unit="ms")))
EDGETUNE = Path(sys.executable).with_name("edgetune")


def evaluate(sample: Sample) -> dict[str, float]:
    return {"top1": 0.5 + float(sample["x0"]) / 10, "latency_ms": 1 + float(sample["x0"]) * float(sample["x1"])}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    with Study.create(folder / "study.db", {}) as study:
        note_objectives(study, PROBLEM)
        study.set_note("plan", {"trials": 50})
        run_search(study, NSGA2(PROBLEM), evaluate, trials=25)
        note_progress(study, "search", 25, 50)
        note_event(study, Event(20, "warn", "failures", "two of three failed"))
    return folder


def shown(state: RunState) -> str:
    from rich.console import Console

    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(view("my-run", state))
    return console.export_text()


def test_the_view_says_where_the_run_is(run: Path) -> None:
    state = RunState.read(run / "study.db")
    text = shown(state)
    for part in ("my-run", "search: 25 of 50 (50%)", "25 of 50 trials: 25 done", "hypervolume", "latency_ms (ms)"):
        assert part in text
    assert "after 20: warn failures: two of three failed" in text
    best = max(trial.values["top1"] for trial in state.front if trial.values)
    assert f"{best:.4g}" in text


def test_a_run_that_has_not_begun_is_shown_too() -> None:
    state = RunState(trials=(), objectives=())
    assert "no stage has begun" in shown(state)
    assert progress_line(state) == "no stage has begun"
    assert trials_line(state).startswith("0 trials")


def test_a_run_that_is_over_says_so_and_waits_for_no_trial(run: Path) -> None:
    with Study.open(run / "study.db") as study:
        note_event(study, Event(25, "stop", "the search", "no new point on the front"))
    assert "left" not in shown(RunState.read(run / "study.db"))
    (run / "summary.json").write_text("{}")
    printed = subprocess.run([EDGETUNE, "watch", run], capture_output=True, text=True, check=True).stdout
    assert "finished" in printed and "search: 25" not in printed


def test_json_is_what_programs_read(run: Path) -> None:
    printed = subprocess.run([EDGETUNE, "watch", run, "--json"], capture_output=True, text=True, check=True).stdout
    state = RunState.read(run / "study.db")
    expected = json.loads(json.dumps(state_json(state, finished=False)))
    assert json.loads(printed) == expected | {"seconds_left": pytest.approx(0, abs=60)}


def test_it_can_be_read_while_the_run_writes(run: Path) -> None:
    """The writer holds its connection, between and within trials; nothing is locked for it or for the reader."""
    counts = []
    with Study.open(run / "study.db") as study:
        run_search(
            study,
            NSGA2(PROBLEM),
            evaluate,
            trials=30,
            on_trial=lambda trial: counts.append(len(RunState.read(run / "study.db").trials)),
        )
    assert counts == [26, 27, 28, 29, 30]


def test_the_curve_ends_at_its_top() -> None:
    line = spark(tuple(float(i) for i in range(500)))
    assert line[-1] == "█" and line[0] == "▁"


@pytest.mark.parametrize("trials", [1, 47, 48, 49, 95, 96, 500])
def test_the_curve_is_no_wider_than_asked_for(trials: int) -> None:
    assert min(trials, 24) <= len(spark(tuple(map(float, range(trials))), width=48)) <= 48


@pytest.mark.parametrize("flags", [["--once"], ["--json"]])
def test_what_cannot_be_printed_is_one_error(run: Path, flags: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([EDGETUNE, "watch", run, *flags], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard output: no room left") and len(done.stderr.splitlines()) == 1
