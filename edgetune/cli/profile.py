"""`edgetune profile`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetune.cli.output import print_json, print_table, progress_reporter


def profile(
    device: Annotated[str, typer.Option(help="The name that this machine gets.")] = "host",
    out: Annotated[Path | None, typer.Option(help="Where the profile goes. [the user's own folder]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure this machine, in less than five minutes, so that latencies on it can be predicted.

    At most sixty networks, chosen by what they would teach, are clocked in onnxruntime on one thread. Close other
    programs meanwhile. Then: edgetune predict model.onnx --device host
    """
    from edgetune.pipeline.profiling import profile_machine

    with progress_reporter() as reporter:
        folder, fitted = profile_machine(device, out=out, reporter=reporter)
    if json:
        print_json(
            {"device": device, "folder": str(folder)}
            | fitted.model_dump(mode="json", exclude={"members", "quantile", "kernels"})
        )
        return
    errors = fitted.errors["networks"]
    figures = [f"{value:.1f} %" for value in (errors.mape_pct, errors.within_10_pct, errors.coverage_pct)]
    columns = ["setting", "networks measured", "error (MAPE)", "within ±10 %", "in the 90 % interval"]
    print_table(
        f"{device}: errors of networks held out", columns, [[fitted.setting.label, str(errors.networks), *figures]]
    )
    print(f"stored in {folder}; use it as --device {device if out is None else folder}")
