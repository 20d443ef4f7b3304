"""What commands print: tables and progress bars for people, JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from edgetune.report.words import duration
from edgetune.reporter import Reporter


def print_json(value: Any) -> None:
    json.dump(value, sys.stdout, indent=1, allow_nan=False)
    print()


def warn(error: Exception) -> None:
    """One line on standard error, for what does not keep the command from its work."""
    print(f"warning: {error}", file=sys.stderr)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on standard output, as wide as its contents when piped."""
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))  # names from files are no markup
    Console(width=None if sys.stdout.isatty() else 200).print(table)


class Rate(ProgressColumn):
    """Pictures, trials or files a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else per_second(speed))


def per_second(speed: float) -> str:
    """
    >>> per_second(1234.5), per_second(0.01234)
    ('1,234/s', '0.0123/s')
    """
    return f"{speed:,.3g}/s" if speed < 100 else f"{speed:,.0f}/s"


LOGGED_EVERY = 10.0  # seconds


class ProgressLines(Reporter):
    """For a log: a line on standard error every few seconds and at the end of a stage, with the rate and the time left.

    The rate is the mean since the stage was first heard of, in this process: a resumed one does not begin at nothing.
    """

    def __init__(self) -> None:
        self.logged_at = 0.0
        self.began: dict[str, tuple[float, int]] = {}  # when a stage was first heard of, and how much was done then

    def __enter__(self) -> ProgressLines:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def progress(self, stage: str, done: int, total: int) -> None:
        now, done = time.monotonic(), min(done, total)
        began, before = self.began.setdefault(stage, (now, done))
        if done == total or now - self.logged_at > LOGGED_EVERY:
            self.logged_at = now
            self.say(f"{stage}: {done:,} of {total:,}{_pace(done - before, total - done, now - began)}")

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def _pace(done: int, left: int, seconds: float) -> str:
    """The rate, and the time left at that rate, once there is one."""
    if not done or not seconds:
        return ""
    speed = done / seconds
    return f", {per_second(speed)}" + (f", {duration(left / speed)} left" if left else "")


def progress_reporter() -> ProgressBars | ProgressLines:
    """What suits standard error: bars on a terminal, lines in a log."""
    return ProgressBars() if sys.stderr.isatty() else ProgressLines()


class ProgressBars(Reporter):
    """A bar a stage on standard error, with the rate and the time left."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bars = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            Rate(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            speed_estimate_period=30,
        )
        self.tasks: dict[str, Any] = {}

    def __enter__(self) -> ProgressBars:
        self.bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.bars.stop()

    def progress(self, stage: str, done: int, total: int) -> None:
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(stage, total=total)
        self.bars.update(self.tasks[stage], completed=min(done, total), total=total)

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False)
