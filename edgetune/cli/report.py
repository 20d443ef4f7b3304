"""`edgetune report`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetune.cli.output import print_json


def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    beside: Annotated[
        list[Path] | None,
        typer.Option(help="Runs of the same search from other seeds, drawn as a band; may be repeated."),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(help="Post the summary to this https address, signed with EDGETUNE_WEBHOOK_SECRET."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the front as JSON.")] = False,
    summary_json: Annotated[bool, typer.Option("--summary", help="Print the whole summary as JSON.")] = False,
) -> None:
    """Write a finished run's report again, and print its front."""
    from edgetune.cli.front_table import print_front
    from edgetune.errors import StudyError
    from edgetune.pipeline.run_folder import RunFolder
    from edgetune.report.front import front_json
    from edgetune.report.page import write_report
    from edgetune.report.summary import RunSummary, adapter
    from edgetune.report.webhook import check_webhook, post

    if webhook is not None:
        check_webhook(webhook)
    folder = RunFolder.open(run)
    if not folder.summary.is_file():
        raise StudyError("the run is not finished", where=run, mend=f"edgetune search --resume {run}")
    summary = RunSummary.from_json(folder.summary.read_text(encoding="utf-8"), where=str(folder.summary))
    if beside:
        from edgetune.pipeline.beside import with_curves

        summary = with_curves(summary, run, beside)
    write_report(summary, folder.report)
    if webhook is not None:
        post(webhook, summary.to_json().encode())
    if summary_json:
        print_json(adapter().dump_python(summary, mode="json"))
    elif json:
        print_json(front_json(summary))
    else:
        print_front(summary, folder.path)
