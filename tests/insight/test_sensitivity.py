from __future__ import annotations

from pathlib import Path

import pytest

from edgetune.insight.sensitivity import EVERY, Sensitivity
from edgetune.search.note_names import EVENTS, IMPORTANCE
from edgetune.search.nsga2 import NSGA2
from edgetune.search.run import run_search
from edgetune.search.study import Study

from .conftest import PROBLEM, judge


@pytest.fixture
def empty(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "fresh.db", {})


def test_importance_is_kept_every_few_trials(empty: Study) -> None:
    sensitivity = Sensitivity(empty, PROBLEM)
    run_search(empty, NSGA2(PROBLEM), judge, trials=2 * EVERY + 5, on_trial=sensitivity)
    assert empty.note(IMPORTANCE)["trials"] == 2 * EVERY
    shares = empty.note(IMPORTANCE)["variance"]["latency_ms"]
    assert shares["act"] < 0.05 < min(shares[f"width{i}"] for i in range(3))


def test_a_front_that_stands_still_stops_the_search_and_says_why(empty: Study) -> None:
    said: list[str] = []
    sensitivity = Sensitivity(empty, PROBLEM, stop_flat=15, say=said.append)
    trials = run_search(empty, NSGA2(PROBLEM), judge, trials=128, on_trial=sensitivity, stop=sensitivity.stop)
    assert 15 < len(trials) < 128
    (event,) = empty.note(EVENTS)
    assert (event["action"], event["trials"]) == ("stop", len(trials))
    assert "15 trials" in event["reason"] and said == [f"stop: the search: {event['reason']}"]
    again = Sensitivity(empty, PROBLEM, stop_flat=15)
    assert run_search(empty, NSGA2(PROBLEM), judge, trials=128, on_trial=again, stop=again.stop) == trials
    assert len(empty.note(EVENTS)) == 1


def test_too_many_failures_are_warned_of_once(empty: Study) -> None:
    def failing(sample: object) -> dict[str, float]:
        raise RuntimeError("out of memory")

    sensitivity = Sensitivity(empty, PROBLEM, warn_failed=0.5)
    run_search(empty, NSGA2(PROBLEM), failing, trials=20, on_trial=sensitivity)
    (event,) = empty.note(EVENTS)
    assert event["action"] == "warn" and "out of memory" in event["reason"]
    said: list[str] = []
    resumed = Sensitivity(empty, PROBLEM, warn_failed=0.5, say=said.append)
    run_search(empty, NSGA2(PROBLEM), failing, trials=25, on_trial=resumed)
    assert empty.note(EVENTS) == [event] and said == []
