from __future__ import annotations

from pathlib import Path

import pytest

from edgetune.errors import StudyError
from edgetune.insight.optuna_study import to_optuna
from edgetune.insight.state import RunState
from edgetune.search.study import Study


def test_optuna_sees_the_same_trials_and_the_same_front(study: Study) -> None:
    copied = to_optuna(study.path.parent)
    state = RunState.read(study.path)
    assert [t.params for t in copied.trials] == [dict(t.sample.values) for t in state.trials]
    theirs = {tuple(t.values) for t in copied.best_trials}
    ours = {(t.values["top1"], t.values["latency_ms"]) for t in state.front if t.values}
    assert theirs == ours
    assert copied.metric_names == ["top1", "latency_ms"]


def test_it_is_written_once(study: Study, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    to_optuna(study.path.parent, storage)
    with pytest.raises(StudyError, match="of this name"):
        to_optuna(study.path.parent, storage)


def test_a_study_without_objectives_is_refused(tmp_path: Path) -> None:
    Study.create(tmp_path / "study.db", {}).close()
    with pytest.raises(StudyError, match="does not say"):
        to_optuna(tmp_path)
