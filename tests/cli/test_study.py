"""`edgetune study`, also on a study that a search writes to."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from edgetune.cli import main
from edgetune.device.profile import Profile, load_profile
from edgetune.errors import DeviceError
from edgetune.search.narrowing import Change
from edgetune.search.narrowing_note import note_change
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.problem_note import note_problem
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.space.parameters import Choice, Space

from .conftest import Refuses

SEARCH = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from edgetune.search.nsga2 import NSGA2
    from edgetune.search.objective import Objective
    from edgetune.search.problem import Problem
    from edgetune.search.run import run_search
    from edgetune.search.study import Study
    from edgetune.space.parameters import Choice, Space

    def evaluate(sample):
        time.sleep(0.01)
        if sample["a"] == 3:
            raise RuntimeError("three")
        return {"x": sample["a"] + sample["b"], "y": 40 - sample["a"]}

    space = Space("toy", tuple(Choice(label, tuple(range(20))) for label in "ab"))
    with Study.create(Path(sys.argv[1]), {}) as study:
        run_search(study, NSGA2(Problem(space, (Objective("x"), Objective("y")))), evaluate, trials=int(sys.argv[2]))
    """
)


def edgetune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    monkeypatch.setattr(sys, "argv", ["edgetune", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    return capsys.readouterr().out


def test_a_study_is_read_while_a_search_writes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    run = tmp_path / "run"
    run.mkdir()
    search = subprocess.Popen([sys.executable, "-c", SEARCH, run / "study.db", "150"], cwd=Path.cwd())
    counts: list[int] = []
    try:
        while not counts or counts[-1] < 150:
            assert search.poll() in (None, 0)
            if (run / "study.db").exists() and json.loads(
                edgetune(monkeypatch, capsys, "study", "ls", tmp_path, "--json")
            )[0]["trials"]:
                shown = json.loads(edgetune(monkeypatch, capsys, "study", "export", run, "--format", "json"))
                assert [trial["number"] for trial in shown["trials"]] == list(range(len(shown["trials"])))
                counts.append(len(shown["trials"]))
            time.sleep(0.05)
        assert search.wait(60) == 0
    finally:
        search.kill()
        search.wait()
    assert counts == sorted(counts) and len(set(counts)) > 2, "it was read while it grew"

    shown = edgetune(monkeypatch, capsys, "study", "show", run)
    assert "150 trials" in shown and "x: minimize" in shown and "failed: RuntimeError: three" in shown
    assert json.loads(edgetune(monkeypatch, capsys, "study", "show", run / "study.db", "--json"))["trials"]
    assert str(run / "study.db") in edgetune(monkeypatch, capsys, "study", "ls", tmp_path)
    table = edgetune(monkeypatch, capsys, "study", "export", run, "--format", "csv")
    assert table.splitlines()[0] == (
        "number,state,on_front,seconds,finished_at,seed,error,value.x,value.y,sample.a,sample.b"
    )
    edgetune(monkeypatch, capsys, "study", "export", run, "--format", "csv", "--out", tmp_path / "run.csv")
    assert (tmp_path / "run.csv").read_text() == table
    said = edgetune(monkeypatch, capsys, "study", "export", run, "--format", "optuna", "--out", tmp_path / "optuna.db")
    import optuna

    assert len(eval(said, {"optuna": optuna}).trials) == 150  # noqa: S307 — what is printed can be pasted


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a study of one trial, whose training diverged."""
    space, objectives = Space("toy", (Choice("a", (1, 2)),)), (Objective("x"),)
    with Study.create(tmp_path / "run" / "study.db", {"config": {"device": "rpi4"}}) as study:
        note_problem(study, Problem(space, objectives))
        study.add(Trial(0, space.sample({"a": 1}), {"x": 1.0}, "done", 0, curve=(0.5, math.nan, math.inf)))
    return tmp_path / "run"


def test_a_curve_that_diverged_is_null_in_json(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (["export", run, "--format", "json"], ["show", run, "--json"]):
        (trial,) = json.loads(edgetune(monkeypatch, capsys, "study", *arguments))["trials"]
        assert trial["curve"] == [0.5, None, None]
    edgetune(monkeypatch, capsys, "study", "export", run, "--format", "optuna", "--out", run / "optuna.db")


def test_an_export_never_overwrites_a_database(run: Path, refuses: Refuses) -> None:
    study = run / "study.db"
    shutil.copy(study, run / "other.csv")
    before = study.read_bytes()
    for out in (study, run / "other.csv", run / "study.db-wal"):
        for form in ("csv", "json", "optuna"):
            assert str(out) in refuses("study", "export", run, "--format", form, "--out", out)
    assert "a folder has this name" in refuses("study", "export", run, "--format", "csv", "--out", run)
    assert "no file can be made here" in refuses("study", "export", run, "--format", "csv", "--out", "/proc/x.csv")
    assert study.read_bytes() == (run / "other.csv").read_bytes() == before


def test_a_bad_file_hides_no_study(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a-bad", "z-bad"):
        (run.parent / name).mkdir()
        (run.parent / name / "study.db").write_bytes(b"nothing" * 100)
    monkeypatch.setattr(sys, "argv", ["edgetune", "study", "ls", str(run.parent), "--json"])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    assert stop.value.code == 0 and [row["study"] for row in json.loads(said.out)] == [str(run / "study.db")]
    assert [line.split(":")[0] for line in said.err.splitlines()] == ["warning", "warning"]


@pytest.mark.parametrize(("broken", "kind"), [("pixel3", "calibrated"), ("rpi4", "of an unknown kind")])
def test_a_broken_profile_hides_no_study(
    broken: str, kind: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(name: str) -> Profile:
        if name == broken:
            raise DeviceError("not TOML", where=name)
        return load_profile(name)

    monkeypatch.setattr("edgetune.device.profile.load_profile", load)
    monkeypatch.setattr("edgetune.latency.quality.load_profile", load)
    assert f"predicted for rpi4: {kind}" in edgetune(monkeypatch, capsys, "study", "show", run)


def test_bad_input(refuses: Refuses, tmp_path: Path) -> None:
    assert "no study" in refuses("study", "ls", tmp_path)
    assert "no study" in refuses("study", "show", tmp_path)
    assert "no study" in refuses("study", "export", tmp_path / "none.db", "--format", "csv")


def test_what_is_left_of_a_space_that_adapted_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    problem = Problem(Space("toy", (Choice("act", ("relu", "hswish")), Choice("width", (8, 16)))), (Objective("x"),))
    with Study.create(tmp_path / "study.db", {}) as study:
        note_problem(study, problem)
        note_change(study, Change(40, "freeze", "act", ("hswish",), "relu: not on the front"))
    shown = edgetune(monkeypatch, capsys, "study", "show", tmp_path)
    assert "the space is narrowed: act to hswish" in shown and "width to" not in shown
