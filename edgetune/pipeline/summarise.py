"""What one search found, put together for the report and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import edgetune
from edgetune.distill.teacher import Teacher
from edgetune.files import atomic_write
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.task import Task
from edgetune.report import summary as report
from edgetune.report.explanation import Event, Insight
from edgetune.report.front import front_json
from edgetune.report.page import write_report
from edgetune.report.summary import Conditions, Convergence, Finalist, RunSummary, TrialPoint
from edgetune.search.note_names import EVENTS, SECONDS
from edgetune.search.pareto import front, hypervolume_history
from edgetune.search.study import Study
from edgetune.search.trial import Trial

BEYOND = 1.1
"""The hypervolume's reference point lies this factor beyond the worst feasible trial."""


def summarise(
    task: Task,
    study: Study,
    folder: RunFolder,
    teacher: Teacher,
    teacher_test_top1: float,
    trials: Sequence[Trial],
    finalists: Sequence[Finalist],
    notes: Sequence[str],
    insight: Insight,
) -> RunSummary:
    """Everything the run folder's study knows, and the finalists."""
    limits = task.config.limits
    example = task.predictor.predict(task.graph(trials[0].sample))
    return RunSummary(
        run=_run(task, study, folder, [*notes, *task.dataset.notes]),
        data=_data(task),
        teacher=_teacher(teacher, teacher_test_top1),
        limits=report.Limits(
            max_latency_ms=limits.latency_ms,
            max_size_bytes=limits.size_bytes,
            max_memory_bytes=limits.memory_bytes,
            max_macs=limits.most_macs,
            min_top1=limits.top1,
        ),
        conditions=Conditions.of(example),
        trials=_points(task, trials),
        convergence=_convergence(task, trials),
        finalists=tuple(finalists),
        stages=tuple(report.Stage(name, seconds) for name, seconds in study.note(SECONDS, {}).items()),
        insight=replace(insight, events=tuple(Event(**event) for event in study.note(EVENTS, []))),
    )


def _run(task: Task, study: Study, folder: RunFolder, notes: list[str]) -> report.Run:
    config = task.config.model_dump(exclude={"limits"})
    flat = {
        f"{section}.{key}" if section else key: value
        for section, values in [("", config), *((k, v) for k, v in config.items() if isinstance(v, dict))]
        for key, value in values.items()
        if value is not None and not isinstance(value, dict)
    }
    return report.Run(
        name=folder.path.name,
        version=edgetune.__version__,
        started=datetime.fromtimestamp(study.created_at, UTC),
        seed=task.config.seed,
        command=study.settings["command"],
        space=task.space.name,
        strategy=task.config.strategy,
        settings=flat,
        notes=tuple(notes),
    )


def _data(task: Task) -> report.Data:
    data = task.dataset
    return report.Data(
        name=data.name,
        classes=data.classes,
        channels=data.channels,
        resolution=data.resolution,
        train=len(data.train),
        validation=len(data.validation),
        test=len(data.test),
        licence=data.licence,
        content_hash=data.content_hash,
        notes=data.notes,
    )


def _teacher(teacher: Teacher, test_top1: float) -> report.Teacher:
    return report.Teacher(
        name=teacher.name, test_top1=test_top1, macs=teacher.macs, parameters=teacher.parameters, note=teacher.licence
    )


def _points(task: Task, trials: Sequence[Trial]) -> tuple[TrialPoint, ...]:
    best = {trial.number for trial in front(task.problem, trials)}
    return tuple(_point(trial, on_front=trial.number in best) for trial in trials)


def _point(trial: Trial, *, on_front: bool) -> TrialPoint:
    if trial.values is None:
        sample = dict(trial.sample.values)
        return TrialPoint(number=trial.number, state=trial.state, feasible=False, error=trial.error, sample=sample)
    values = trial.values
    return TrialPoint(
        number=trial.number,
        state=trial.state,
        validation_top1=values["top1"],
        latency_ms=values["latency_ms"],
        interval_ms=(values["latency_low_ms"], values["latency_high_ms"]),
        macs=int(values["macs"]),
        parameters=int(values["parameters"]),
        size_bytes=int(values["size_bytes"]),
        peak_memory_bytes=int(values["memory_bytes"]),
        feasible=trial.state == "done",
        on_front=on_front,
        sample=dict(trial.sample.values),
    )


def _convergence(task: Task, trials: Sequence[Trial]) -> Convergence:
    done = [trial.values for trial in trials if trial.state == "done" and trial.values]
    slowest = BEYOND * max(values["latency_ms"] for values in done)
    worst = max(0.0, 1 - BEYOND * (1 - min(values["top1"] for values in done)))
    history = hypervolume_history(task.problem, trials, (worst, slowest))
    return Convergence(
        reference_ms=slowest,
        reference_top1=worst,
        trials=tuple(trial.number for trial in trials),
        hypervolume=tuple(history),
    )


def write_summary(summary: RunSummary, folder: RunFolder) -> None:
    """`summary.json`, of which the report can be made again, `front.json` for the next program, `report.html`."""
    with atomic_write(folder.summary) as aside:
        aside.write_text(summary.to_json(), encoding="utf-8")
    with atomic_write(folder.front) as aside:
        aside.write_text(json.dumps(front_json(summary), indent=1), encoding="utf-8")
    write_report(summary, folder.report)
