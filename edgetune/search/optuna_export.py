"""A study as Optuna keeps one, for its dashboard, its plots and its importance measures."""

from __future__ import annotations

import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

from edgetune.errors import MissingDependencyError, StudyError
from edgetune.files import atomic_write
from edgetune.search.problem import Problem
from edgetune.search.problem_note import noted_problem
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from edgetune.space.parameters import Choice, Parameter

CONSTRAINTS = "constraints"  # where Optuna's samplers and plots look: above 0 a constraint is broken


def export_optuna(study: Study, path: Path, name: str) -> None:
    """Writes an Optuna study `name` into a new SQLite file: `optuna.load_study(study_name=name, storage="sqlite:///…")`.

    The front is the study's `best_trials`. Limits become constraints, stopped trials pruned ones; what else is known of
    a trial is among its user attributes.

    Raises
    ------
    MissingDependencyError
        Optuna is not installed.
    StudyError
        `path` exists, or the study says nothing of what was searched for.
    """
    try:
        import optuna
    except ImportError:
        raise MissingDependencyError("Optuna is not installed", mend="pip install optuna") from None
    if path.exists():
        raise StudyError("the file exists", where=path, mend="choose another name")
    problem = noted_problem(study)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with atomic_write(path) as aside:
        storage = optuna.storages.RDBStorage(f"sqlite:///{aside}")
        written = optuna.create_study(
            storage=storage, study_name=name, directions=[target.direction for target in problem.targets]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            written.set_metric_names([target.name for target in problem.targets])
        written.add_trials([_trial(optuna, problem, trial) for trial in study.trials()])
        storage.remove_session()
        storage.engine.dispose()


def _trial(optuna: Any, problem: Problem, trial: Trial) -> Any:
    states = optuna.trial.TrialState
    state = {"failed": states.FAIL, "stopped": states.PRUNED}.get(trial.state, states.COMPLETE)
    values = trial.values or {}
    targets = [target.name for target in problem.targets]
    limited = [objective for objective in problem.objectives if objective.limit is not None]
    single = len(targets) == 1
    made = optuna.trial.create_trial(
        state=state,
        values=[values[name] for name in targets] if values else None,
        params=dict(trial.sample.values),
        distributions={label: distribution_of(problem.space.by_label[label]) for label in trial.sample.values},
        user_attrs={name: value for name, value in values.items() if name not in targets}
        | ({"error": trial.error} if trial.error else {})
        | ({"curve": list(trial.curve)} if trial.curve and not single else {}),
        system_attrs={CONSTRAINTS: [o.minimized(values[o.name]) - o.minimized(o.limit or 0.0) for o in limited]}
        if values and limited
        else {},
        intermediate_values=dict(enumerate(trial.curve, 1)) if single else {},
    )
    made.datetime_start = datetime.fromtimestamp(trial.finished_at - trial.seconds)
    made.datetime_complete = datetime.fromtimestamp(trial.finished_at)
    return made


def distribution_of(parameter: Parameter) -> Any:
    """Where Optuna would draw the parameter's values from."""
    import optuna

    if isinstance(parameter, Choice):
        return optuna.distributions.CategoricalDistribution(parameter.options)
    return optuna.distributions.FloatDistribution(parameter.low, parameter.high, log=parameter.log)
