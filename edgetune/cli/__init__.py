"""The command line: one short file a command."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from edgetune.cli import agent, agents, devices, study
from edgetune.cli.calibrate import calibrate
from edgetune.cli.doctor import doctor
from edgetune.cli.export import export
from edgetune.cli.measure import measure
from edgetune.cli.predict import predict
from edgetune.cli.profile import profile
from edgetune.cli.report import report
from edgetune.cli.search import search
from edgetune.cli.standard_output import written_whole
from edgetune.cli.tune import tune
from edgetune.cli.verify import verify
from edgetune.cli.watch import watch
from edgetune.errors import EdgetuneError

app = typer.Typer(
    name="edgetune",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="A labelled image set, a teacher and the name of a board go in; a Pareto set of small networks comes out.",
    epilog="Start with: edgetune search --device rpi4",
)
for command in (search, predict, measure, calibrate, profile, export, tune, verify, report, watch, doctor):
    app.command()(command)
app.add_typer(devices.app, name="devices")
app.add_typer(study.app, name="study")
app.add_typer(agent.app, name="agent")
app.add_typer(agents.app, name="agents")


@app.callback(invoke_without_command=True)
def _version(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    if version:
        from edgetune import __version__

        print(__version__)
        raise typer.Exit


def main() -> None:
    """Runs a command; an error that the user can mend is one line on standard error and exit code 2."""
    try:
        with written_whole():
            app()
    except EdgetuneError as error:
        _refuse(str(error))
    except MemoryError as error:
        what = ": ".join(filter(None, ("out of memory", str(error))))
        _refuse(f"{what} (end other programs, or take a smaller --resolution)")


def _refuse(reason: str) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(reason)}", highlight=False)
    sys.exit(2)
