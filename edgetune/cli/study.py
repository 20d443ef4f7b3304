"""`edgetune study`"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgetune.cli.output import print_json, print_table, warn

if TYPE_CHECKING:
    from edgetune.search.problem import Problem
    from edgetune.search.trial import Trial

app = typer.Typer(help="Look into studies and take them elsewhere; safe while a search writes to them.")

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Where = Annotated[Path, typer.Argument(help="A run folder, or its study.db.", show_default=False)]
MOST_FAILURES = 10


class Format(StrEnum):
    """What a study can be written as."""

    JSON = "json"
    CSV = "csv"
    OPTUNA = "optuna"


@app.command()
def ls(
    folder: Annotated[Path, typer.Argument(help="Where to look, at any depth.")] = Path("runs"), json: Json = False
) -> None:
    """List the studies below a folder: how many trials ended how, how many are on the front."""
    from edgetune.errors import EdgetuneError, StudyError
    from edgetune.search.study import STUDY_FILE
    from edgetune.search.study_tables import overview

    rows = []
    for path in (paths := sorted(folder.rglob(STUDY_FILE))):
        try:
            rows.append(overview(path))
        except EdgetuneError as error:  # one bad file hides no other
            warn(error)
    if not paths:
        raise StudyError("no study below it", where=folder, mend="name a folder with runs")
    if json:
        print_json(rows)
        return
    columns = ["study", "created", "trials", "done", "infeasible", "failed", "stopped", "front", "objectives"]
    cells = ([", ".join(row[c]) if c == "objectives" else str(row[c]) for c in columns] for row in rows)
    print_table("", columns, cells)


@app.command()
def show(study: Where, json: Json = False) -> None:
    """Show a study's front, what it was searched for, and why trials failed; samples are in the JSON."""
    from edgetune.search.narrowing import in_words, narrowings
    from edgetune.search.narrowing_note import noted_changes
    from edgetune.search.pareto import front
    from edgetune.search.problem_note import noted_problem
    from edgetune.search.study import Study
    from edgetune.search.study_tables import find_study, overview, study_json

    path = find_study(study)
    with Study.open(path, read_only=True) as opened:
        problem, trials = noted_problem(opened), opened.trials()
        left = narrowings(problem.space, noted_changes(opened))
        device = opened.settings.get("config", {}).get("device")
        if json:
            print_json({**overview(path), **study_json(opened)})
            return
    states = overview(path)
    counts = ", ".join(f"{states[state]} {state}" for state in ("done", "infeasible", "failed", "stopped"))
    print(f"{path}: {len(trials)} trials ({counts}), begun {states['created']}")
    for objective in problem.objectives:
        held = f", {objective.format_limit()}" if objective.limit is not None else ""
        print(f"  {objective.name}: {objective.direction if objective.optimize else 'only limited'}{held}")
    for label, options in left.items():
        print(f"  the space is narrowed: {label} to {in_words(problem.space.by_label[label], options)}")
    best = front(problem, trials)
    if device:
        print(f"  latencies are predicted for {device}: {_kind_of(device)}")
    columns = ["trial", *(target.name for target in problem.targets), "seconds"]
    print_table(f"front: {len(best)} trials", columns, [_row(problem, trial) for trial in best])
    failed = [trial for trial in trials if trial.state == "failed"]
    for trial in failed[:MOST_FAILURES]:
        print(f"trial {trial.number} failed: {trial.error}")
    if len(failed) > MOST_FAILURES:
        print(f"… and {len(failed) - MOST_FAILURES} more")


@app.command()
def export(
    study: Where,
    format: Annotated[Format, typer.Option(help="json, csv, or optuna: a file that optuna-dashboard opens.")],
    out: Annotated[Path | None, typer.Option(help="By default standard output; optuna needs a file.")] = None,
) -> None:
    """Write a study as JSON, as CSV, or as Optuna keeps one.

    Then, for example: optuna-dashboard sqlite:///study.optuna.db
    """
    from json import dumps

    from edgetune.errors import ConfigError
    from edgetune.files import atomic_write
    from edgetune.search.optuna_export import export_optuna
    from edgetune.search.study import Study, is_database
    from edgetune.search.study_tables import find_study, study_csv, study_json

    path = find_study(study)
    if out is not None and is_database(out):
        raise ConfigError("a database is there, and would be lost", where=f"--out {out}", mend="name another file")
    with Study.open(path, read_only=True) as opened:
        if format is Format.OPTUNA:
            if out is None:
                raise ConfigError("an Optuna study is a file", where="--out", mend="name it")
            name = path.resolve().parent.name
            export_optuna(opened, out, name)
            print(f'optuna.load_study(study_name="{name}", storage="sqlite:///{out}")')
            return
        text = (
            study_csv(opened) if format is Format.CSV else dumps(study_json(opened), indent=1, allow_nan=False) + "\n"
        )
    if out is None:
        print(text, end="")
    else:
        with atomic_write(out) as aside:
            aside.write_text(text, encoding="utf-8")


def _kind_of(device: str) -> str:
    """Of the latencies that this machine's profile of the board predicts, if it has one that can be read."""
    from edgetune.device.profile import load_profile
    from edgetune.errors import EdgetuneError
    from edgetune.latency.quality import device_row

    try:
        return str(device_row(load_profile(device))["kind"])
    except EdgetuneError:
        return "of an unknown kind"


def _row(problem: Problem, trial: Trial) -> list[str]:
    assert trial.values is not None
    figures = [target.format(trial.values[target.name]) for target in problem.targets]
    return [str(trial.number), *figures, f"{trial.seconds:.2g}"]
