"""`edgetune watch`"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgetune.insight.state import RunState

REFRESH = 1.0  # seconds
TOLD = 6  # parameters, members of the front and events shown at a time
BLOCKS = "▁▂▃▄▅▆▇█"


def watch(
    run: Annotated[Path, typer.Argument(help="A run folder, its search running or not.")],
    once: Annotated[bool, typer.Option("--once", help="Print the state and leave.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the state as JSON and leave.")] = False,
) -> None:
    """Watch a search from another terminal.

    The study is opened read-only: a search that runs is not disturbed. Leave with Ctrl-C; the search goes on.
    """
    from rich.console import Console
    from rich.live import Live

    from edgetune.cli.output import print_json
    from edgetune.insight.state import RunState
    from edgetune.pipeline.run_folder import RunFolder

    folder = RunFolder.open(run)
    state, finished = RunState.read(folder.study), folder.summary.is_file()
    if json:
        print_json(state_json(state, finished=finished))
        return
    if once or not sys.stdout.isatty():
        Console(width=None if sys.stdout.isatty() else 100).print(view(run.name, state, finished=finished))
        return
    with Live(view(run.name, state, finished=finished), refresh_per_second=4) as live:
        try:
            while not finished:
                time.sleep(REFRESH)
                finished = folder.summary.is_file()
                live.update(view(run.name, RunState.read(folder.study), finished=finished))
        except KeyboardInterrupt:
            raise typer.Exit from None


def state_json(state: RunState, *, finished: bool) -> dict[str, Any]:
    return {
        "finished": finished,
        "trials": len(state.trials),
        "planned": state.planned,
        "states": dict(state.states),
        "seconds_left": state.seconds_left,
        "progress": state.progress,
        "hypervolume": state.hypervolume[-1] if state.hypervolume else None,
        "front": [{"trial": trial.number, "values": dict(trial.values or {})} for trial in state.front],
        "importance": state.importance,
        "events": [asdict(event) for event in state.events],
        "seconds": dict(state.seconds),
    }


def view(name: str, state: RunState, *, finished: bool = False) -> RenderableType:
    """Everything on one screen."""
    from rich.console import Group
    from rich.text import Text

    progress = "finished" if finished else progress_line(state)
    parts: list[RenderableType] = [Text(name, style="bold"), Text(progress)]
    if state.trials:
        parts.append(Text(trials_line(state)))
    if state.hypervolume and state.hypervolume[-1] > 0:
        parts.append(Text(f"hypervolume {spark(state.hypervolume)} {state.hypervolume[-1]:.4g}"))
    if state.front:
        parts.append(front_table(state))
    if state.importance:
        parts.append(importance_table(state))
    parts += [Text(f"after {e.trials}: {e.action} {e.what}: {e.reason}", style="yellow") for e in state.events[-TOLD:]]
    return Group(*parts)


def progress_line(state: RunState) -> str:
    if state.progress is None:
        return "no stage has begun"
    done, total = state.progress["done"], max(1, state.progress["total"])
    ago = max(0, round(time.time() - state.progress["at"]))
    return f"{state.progress['stage']}: {done:,} of {total:,} ({done / total:.0%}), {ago} s ago"


def trials_line(state: RunState) -> str:
    from edgetune.report.words import duration

    ended = ", ".join(f"{count} {name}" for name, count in sorted(state.states.items()))
    planned = "" if state.planned is None else f" of {state.planned}"
    left = "" if not state.seconds_left else f"; about {duration(state.seconds_left)} of trials left"
    return f"{len(state.trials)}{planned} trials: {ended}{left}"


def spark(values: tuple[float, ...], width: int = 48) -> str:
    """A curve in one line of blocks.

    >>> spark((0.0, 1.0, 2.0, 4.0))
    '▁▂▄█'
    """
    step = max(1, -(-len(values) // width))
    shown = [*values[::step][:-1], values[-1]]
    top = max(shown) or 1.0
    return "".join(BLOCKS[min(len(BLOCKS) - 1, int(value / top * (len(BLOCKS) - 1)))] for value in shown)


def front_table(state: RunState) -> RenderableType:
    from rich.table import Table

    targets = [objective for objective in state.objectives if objective.optimize]
    table = Table(title=f"front: {len(state.front)} trials", title_justify="left", header_style="bold")
    for column in ("trial", *(f"{target.name} ({target.unit})" if target.unit else target.name for target in targets)):
        table.add_column(column, justify="right")
    step = max(1, -(-len(state.front) // TOLD))
    for trial in state.front[::step]:
        table.add_row(str(trial.number), *(f"{(trial.values or {})[target.name]:.4g}" for target in targets))
    return table


def importance_table(state: RunState) -> RenderableType:
    from rich.table import Table

    views = (state.importance or {})["variance"]
    table = Table(title="what matters (share of the variation)", title_justify="left", header_style="bold")
    columns = []
    for objective, shares in views.items():
        table.add_column(objective)
        ranked = sorted(shares.items(), key=lambda item: -item[1])[:TOLD]
        columns.append([f"{share:5.1%} {label}" for label, share in ranked])
    for row in zip(*columns, strict=True):
        table.add_row(*row)
    return table
