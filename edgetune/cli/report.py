"""`edgetune report`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetune.cli.output import print_json


def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    json: Annotated[bool, typer.Option("--json", help="Print the front as JSON.")] = False,
) -> None:
    """Write a finished run's report again, and print its front."""
    from edgetune.cli.front_table import print_front
    from edgetune.errors import StudyError
    from edgetune.pipeline.run_folder import RunFolder
    from edgetune.report.front import front_json
    from edgetune.report.page import write_report
    from edgetune.report.summary import RunSummary

    folder = RunFolder.open(run)
    if not folder.summary.is_file():
        raise StudyError("the run is not finished", where=run, mend=f"edgetune search --resume {run}")
    summary = RunSummary.from_json(folder.summary.read_text(encoding="utf-8"), where=str(folder.summary))
    write_report(summary, folder.report)
    if json:
        print_json(front_json(summary))
    else:
        print_front(summary, folder.path)
