"""`edgetune export`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetune.cli.output import print_json, print_table, progress_reporter


def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    trial: Annotated[int, typer.Option(help="The number of a trial; any will do, not only those of the front.")],
    json: Annotated[bool, typer.Option("--json", help="Print the bundle's card as JSON.")] = False,
) -> None:
    """Make the bundle of one trial: distil it in full if that was not done, export and check it."""
    from edgetune.pipeline.search import resume

    with progress_reporter() as bars:
        bundle = resume(run, bars).export(trial)
    if json:
        print_json(bundle.card.model_dump(mode="json"))
        return
    rows = [[name, f"{record.size_bytes:,}", record.sha256[:16]] for name, record in bundle.card.files.items()]
    print_table(f"{bundle.folder}: {bundle.card.test_top1:.2%} test top-1", ["file", "bytes", "sha256"], rows)
