"""`edgetune verify`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetune.cli.output import print_json, print_table


def verify(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    on: Annotated[
        str,
        typer.Option(
            help="host; emulated-rpi4: the board's own machine code on an emulated Cortex-A72; or the name of an agent."
        ),
    ] = "host",
    json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Check that a bundle is as it was written, run its artefacts, compare, and sign the card.

    Each artefact answers the bundle's reference pictures and must give the network's logits: float32 within 1e-4 of the
    largest, INT8 the same answers. What the place cannot run is left out and named: libraries for another processor,
    files whose runtime is not installed there. What was seen becomes a record in card.json. An artefact that fails
    leaves the card as it was. A board becomes a place with `edgetune agents add NAME ADDRESS`.
    """
    from edgetune.cli.places import place
    from edgetune.export.verify import verify_bundle

    target = place(on)
    card = verify_bundle(bundle, target).card
    if json:
        print_json(card.model_dump(mode="json"))
        return
    rows = [
        [artefact.file, check.where, f"{check.agreement.relative_difference:.1e}", f"{check.agreement.same_top1:.1%}"]
        for artefact in card.artefacts
        for check in artefact.checks
    ]
    print_table(str(bundle), ["artefact", "ran on", "difference of logits", "same answer"], rows)
    record = next(record for record in card.signed_off if record.where == target.name)
    print(f"signed off: {len(record.files)} of {len(card.artefacts)} artefacts on {record.where}, {record.at}")
    for file, reason in record.left_out.items():
        print(f"  left out: {file}, {reason}")
