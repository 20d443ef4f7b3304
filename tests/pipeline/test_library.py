from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetune.data.load import load_dataset
from edgetune.data.pictures import Dataset
from edgetune.errors import StudyError
from edgetune.pipeline.library import DATA, FOLDER, entry_of, library_folder, related, remember
from edgetune.pipeline.meta_features import distance, meta_features
from edgetune.search.memory import why_silent
from edgetune.search.nsga2 import NSGA2
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.problem_note import note_objectives
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.search.warm_start import WarmStart
from edgetune.space.parameters import Choice, Sample, Space

SPACE = Space("toy", tuple(Choice(f"x{i}", (0, 1, 2, 3)) for i in range(4)))
PROBLEM = Problem(SPACE, (Objective("top1", "maximize"), Objective("latency_ms")))


def evaluate(sample: Sample) -> dict[str, float]:
    return {"top1": 0.5 + float(sample["x0"]) / 10, "latency_ms": 1 + float(sample["x1"])}


def finished(run: Path, data: dict[str, float]) -> Path:
    run.mkdir(parents=True)
    settings = {"space": "toy", "data": "", "config": {"device": "rpi4", "data": "digits"}}
    with Study.create(run / "study.db", settings) as study:
        note_objectives(study, PROBLEM)
        study.set_note(DATA, data)
        run_search(study, NSGA2(PROBLEM), evaluate, trials=20)
    return run


def test_the_most_alike_data_set_comes_first(tmp_path: Path) -> None:
    for name, classes in (("far", 9.0), ("near", 2.1), ("same", 2.0), ("further", 20.0)):
        remember(finished(tmp_path / name, {"classes": classes}), tmp_path / "library")
    found = related(PROBLEM, tmp_path / "library", {"classes": 2.0}, print)
    assert [entry.source for entry in found] == ["same", "near", "far"]
    assert len(found[0].past.samples) == 20 and found[0].past.directions["top1"] == "maximize"


def test_what_is_unrelated_or_damaged_is_passed_over(tmp_path: Path) -> None:
    library = tmp_path / "library"
    remember(finished(tmp_path / "run", {}), library)
    other = Problem(Space("other", (Choice("y", (1, 2)),)), PROBLEM.objectives)
    said: list[str] = []
    assert related(other, library, {}, said.append) == []
    assert related(PROBLEM, tmp_path / "missing", {}, said.append) == []
    assert said == []


@pytest.mark.parametrize(
    "damage",
    [
        {"samples": []},
        {"samples": None},
        {"samples": [1] * 20},
        {"samples": [{"x0": None}] * 20},
        {"samples": [{"x0": 10**400}] * 20},
        {"figures": [{"top1": None, "latency_ms": 1}] * 20},
        {"figures": [{"top1": "high", "latency_ms": 1}] * 20},
        {"figures": [{"top1": float("nan"), "latency_ms": 1}] * 20},
        {"figures": [{"top1": 10**400, "latency_ms": 1}] * 20},
        {"directions": None},
        {"data": None},
        {"data": {"classes": "ten"}},
        {"run": None},
        {"created_at": float("inf")},
        "{",
        "[]",
        '{"colour": "red"}',
        "[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda damage: repr(damage)[:40],
)
def test_a_damaged_entry_is_passed_over_and_named(tmp_path: Path, damage: dict[str, Any] | str | bytes) -> None:
    library = tmp_path / "library"
    remember(finished(tmp_path / "run", {}), library)
    (whole,) = library.iterdir()
    content = json.dumps({**json.loads(whole.read_text()), **damage}) if isinstance(damage, dict) else damage
    (library / "damaged.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    (library / "folder.json").mkdir()
    said: list[str] = []
    assert [entry.source for entry in related(PROBLEM, library, {}, said.append)] == ["run"]
    assert len(said) == 2 and "damaged.json" in said[0] and "folder.json" in said[1]


@pytest.mark.parametrize(
    "change", [{"samples": [{"x0": 1, "x1": 1}] * 20}, {"figures": [{"top1": 1e308, "latency_ms": -1e308}] * 20}]
)
def test_an_entry_that_tells_nothing_is_no_reason_to_fail(tmp_path: Path, change: dict[str, Any]) -> None:
    remember(finished(tmp_path / "run", {}), tmp_path / "library")
    (whole,) = (tmp_path / "library").iterdir()
    whole.write_text(json.dumps({**json.loads(whole.read_text()), **change}))
    (entry,) = related(PROBLEM, tmp_path / "library", {}, print)
    assert why_silent(entry.past, PROBLEM) is not None
    assert WarmStart(NSGA2(PROBLEM), [entry.past]).memories == []


def test_a_run_remembered_twice_is_there_once(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", {})
    remember(run, tmp_path / "library")
    remember(run, tmp_path / "library")
    assert len(list((tmp_path / "library").iterdir())) == 1


def test_a_run_of_a_long_name_is_remembered(tmp_path: Path) -> None:
    """A folder's name may have 255 bytes; that of its entry says more."""
    remember(finished(tmp_path / ("é" * 120), {}), tmp_path / "library")
    (entry,) = related(PROBLEM, tmp_path / "library", {}, print)
    assert entry.source == "é" * 120


def test_a_study_of_something_else_than_a_search_is_refused(tmp_path: Path) -> None:
    with Study.create(tmp_path / "study.db", {"config": {}}) as study:
        note_objectives(study, PROBLEM)
    with pytest.raises(StudyError, match="not a study of `edgetune search`"):
        entry_of(tmp_path)


def test_a_study_that_does_not_say_what_it_searched_is_refused(tmp_path: Path) -> None:
    settings = {"space": "toy", "data": "", "config": {"device": "rpi4", "data": "digits"}}
    Study.create(tmp_path / "study.db", settings).close()
    with pytest.raises(StudyError, match="does not say"):
        entry_of(tmp_path)
    with pytest.raises(StudyError):
        entry_of(tmp_path / "nothing")


def test_the_folder_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    assert library_folder() == tmp_path
    assert library_folder("elsewhere") == Path("elsewhere")
    monkeypatch.delenv(FOLDER)
    assert library_folder().name == "studies"


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load_dataset("digits", cache=tmp_path_factory.mktemp("cache"))


def test_meta_features_say_what_a_set_is(digits: Dataset) -> None:
    found = meta_features(digits)
    assert found["classes"] == pytest.approx(np.log(10))
    assert found["resolution"] == 3 and found["channels"] == 1
    assert found["balance"] == pytest.approx(1, abs=0.01)
    # The nearest-centroid classifier reaches about 90 % on these digits (scikit-learn's own examples: 0.89 to 0.91).
    assert 0.87 < found["nearest_mean"] < 0.93
    assert 0.6 < found["spectrum"] < 0.9  # PCA's ten first components hold about 74 % of the digits' variance


def test_a_set_is_nearest_to_itself(digits: Dataset) -> None:
    found = meta_features(digits)
    assert distance(found, found) == 0
    assert distance(found, {**found, "classes": 5.0}) > 0
    assert distance(found, {}) == float("inf")
