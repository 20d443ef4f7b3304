"""`edgetune calibrate`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetune.cli.output import print_json, print_table


def calibrate(
    device: Annotated[str, typer.Option(help="A known board, or a new name.")],
    measurements: Annotated[
        Path, typer.Option(help="CSV with network, latency_ms and, where known, runtime, precision, threads, cpu_mhz.")
    ],
    sources: Annotated[
        str | None, typer.Option("--from", help="Boards to learn from, such as rpi4,pixel3. [all]")
    ] = None,
    space: Annotated[str | None, typer.Option(help="The space that names belong to, such as nasbench201.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the profile goes. [the user's own folder]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit a board's latency model to measurements, few or many, and keep it as a profile.

    What is known of other boards fills in for what was not measured. A network is an ONNX file, a reference network's
    name such as mobilenet-v2-1.0-224, or an architecture of --space.
    """
    from edgetune.latency.calibrate import calibrate as fit

    models = fit(device, measurements, sources=sources.split(",") if sources else None, out=out, space=space)
    if json:
        print_json([model.model_dump(mode="json", exclude={"factors", "covariance"}) for model in models])
        return
    rows = [[model.setting.label, str(model.measured.networks)] for model in models]
    print_table(f"{device}: calibrated", ["setting", "networks"], rows)
