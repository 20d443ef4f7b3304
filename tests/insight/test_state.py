from __future__ import annotations

from pathlib import Path

import pytest

from edgetune.errors import StudyError
from edgetune.insight.state import RunState, note_event, note_progress
from edgetune.report.explanation import Event
from edgetune.search.pareto import front, hypervolume_history
from edgetune.search.study import Study

from .conftest import PROBLEM


def test_the_state_is_the_studys(study: Study) -> None:
    note_progress(study, "search", 40, 60)
    state = RunState.read(study.path)
    assert list(state.trials) == study.trials()
    assert list(state.front) == front(PROBLEM, study.trials())
    assert list(state.hypervolume) == pytest.approx(hypervolume_history(PROBLEM, study.trials()))
    assert state.planned == 60 and state.states == {"done": 40}
    assert state.progress is not None and state.progress["done"] == 40
    assert state.seconds_left is not None and state.seconds_left >= 0


def test_an_event_is_written_once(study: Study) -> None:
    event = Event(40, "freeze", "act at relu", "it does nothing")
    note_event(study, event)
    note_event(study, event)
    assert RunState.read(study.path).events == (event,)


def test_a_study_that_says_nothing_of_its_objectives_is_shown_all_the_same(tmp_path: Path, study: Study) -> None:
    with Study.create(tmp_path / "old.db", {}) as old:
        for trial in study.trials()[:3]:
            old.add(trial)
    state = RunState.read(tmp_path / "old.db")
    assert len(state.trials) == 3 and not state.front and not state.hypervolume


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError):
        RunState.read(tmp_path / "study.db")
