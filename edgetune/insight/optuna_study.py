"""A run's trials as an Optuna study, for Optuna's own tools such as optuna-dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgetune.errors import MissingDependencyError, StudyError
from edgetune.insight.state import RunState
from edgetune.search.trial import Trial
from edgetune.space.parameters import Value

if TYPE_CHECKING:
    import optuna


def to_optuna(run: Path, storage: str | None = None) -> optuna.Study:
    """Copies the trials of a run folder.

    Parameters
    ----------
    storage
        Such as `sqlite:///optuna.db`; without it the study is kept in memory.

    Raises
    ------
    StudyError
        Not a run, one of unknown objectives, or the storage holds a study of this name already.
    MissingDependencyError
        Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingDependencyError("needs Optuna", where="to_optuna", mend="pip install edgetune[search]") from error
    state = RunState.read(run / "study.db")
    targets = [objective for objective in state.objectives if objective.optimize]
    if not targets:
        raise StudyError("its study does not say what it searched for", where=run, mend="name a newer run")
    directions = [target.direction for target in targets]
    try:
        study = optuna.create_study(study_name=run.resolve().name, storage=storage, directions=directions)
    except optuna.exceptions.DuplicatedStudyError as error:
        raise StudyError(f"{storage} has a study of this name", where=run, mend="name another storage") from error
    study.set_metric_names([target.name for target in targets])
    distributions = distributions_of(state.trials)
    study.add_trials([_trial(trial, [target.name for target in targets], distributions) for trial in state.trials])
    return study


def distributions_of(trials: tuple[Trial, ...]) -> dict[str, Any]:
    """What the trials tell of each label: the values that occur, ascending where they are numbers."""
    import optuna

    found: dict[str, dict[Value, None]] = {}
    for trial in trials:
        for label, value in trial.sample.values.items():
            found.setdefault(label, {})[value] = None
    return {
        label: optuna.distributions.CategoricalDistribution(
            sorted(values) if all(isinstance(value, int | float) for value in values) else list(values)
        )
        for label, values in found.items()
    }


def _trial(trial: Trial, names: list[str], distributions: dict[str, Any]) -> optuna.trial.FrozenTrial:
    import optuna

    params = dict(trial.sample.values)
    values = None if trial.values is None else [trial.values[name] for name in names]
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState.FAIL if values is None else optuna.trial.TrialState.COMPLETE,
        params=params,
        distributions={label: distributions[label] for label in params},
        values=values,
        user_attrs={"state": trial.state, "number": trial.number, **({"error": trial.error} if trial.error else {})},
    )
