from __future__ import annotations

import json
from pathlib import Path

from edgetune.search.narrowing import Change, narrowings
from edgetune.search.narrowing_note import note_change, noted_changes
from edgetune.search.objective import Objective
from edgetune.search.problem import Problem
from edgetune.search.problem_note import note_problem
from edgetune.search.study import Study
from edgetune.search.study_tables import study_json
from edgetune.space.parameters import Choice, Range, Space

SPACE = Space("toy", (Choice("act", ("relu", "hswish")), Choice("width", (8, 16, 32)), Range("rate", 0.1, 1.0)))
CHANGES = (
    Change(40, "freeze", "act", ("hswish",), "relu: not on the front"),
    Change(40, "freeze", "width", (16,), "its share is small"),
    Change(60, "freeze", "rate", (0.5,), "its share is small"),
    Change(80, "thaw", "width", (8, 16, 32), "its share is large"),
    Change(100, "thaw", "rate", (), "its share is large"),
)


def test_changes_come_back_as_they_were_each_once(tmp_path: Path) -> None:
    with Study.create(tmp_path / "study.db", {}) as study:
        assert noted_changes(study) == ()
        for change in CHANGES[:3] + CHANGES:  # a resumed search makes them again
            note_change(study, change)
        assert noted_changes(study) == CHANGES


def test_what_is_left_of_a_space_is_what_differs_from_it() -> None:
    assert narrowings(SPACE, CHANGES[:3]) == {"act": ("hswish",), "width": (16,), "rate": (0.5,)}
    assert narrowings(SPACE, CHANGES) == {"act": ("hswish",)}


def test_programs_read_it_too(tmp_path: Path) -> None:
    with Study.create(tmp_path / "study.db", {}) as study:
        note_problem(study, Problem(SPACE, (Objective("error"),)))
        for change in CHANGES:
            note_change(study, change)
        told = json.loads(json.dumps(study_json(study)))
    assert told["narrowed"] == {"act": ["hswish"]}
    assert told["changes"][0] == {
        "trials": 40,
        "action": "freeze",
        "label": "act",
        "options": ["hswish"],
        "reason": "relu: not on the front",
    }
