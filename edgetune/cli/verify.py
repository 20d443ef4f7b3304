"""`edgetune verify`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetune.cli.output import print_json, print_table


def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Check that a bundle is as it was written, run its artefacts on this machine, and sign the card.

    Libraries that are made for another processor are left out; run this on the board for those.
    """
    from edgetune.export.verify import this_host, verify_bundle

    card = verify_bundle(bundle, this_host()).card
    if json:
        print_json(card.model_dump(mode="json"))
        return
    rows = [
        [artefact.file, check.where, f"{check.agreement.relative_difference:.1e}", f"{check.agreement.same_top1:.1%}"]
        for artefact in card.artefacts
        for check in artefact.checks
    ]
    print_table(str(bundle), ["artefact", "ran on", "difference of logits", "same answer"], rows)
