"""`edgetune doctor`"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from edgetune.cli.output import print_json


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show what edgetune finds on this machine: runtimes, compilers, emulators, LiteRT's converter, boards.

    It installs and changes nothing. What is not there is needed only for what stands beside it.
    """
    from edgetune.export.health import examine

    findings = examine()
    if json:
        print_json([asdict(finding) for finding in findings])
        return
    for finding in findings:
        print(f"{finding.part:<29} {finding.state:<18} {finding.detail}")
