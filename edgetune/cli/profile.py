"""`edgetune profile`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetune.cli.output import print_json, print_table, progress_reporter


def profile(
    device: Annotated[str, typer.Option(help="The name that this machine gets; the board, with --agent.")] = "host",
    agent: Annotated[
        str | None, typer.Option(help="Clock on boards instead, such as kitchen-pi; see `edgetune agents`.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the profile goes. [the user's own folder]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Measure this machine, in less than five minutes, so that latencies on it can be predicted.

    At most sixty networks, chosen by what they would teach, are clocked in onnxruntime on one thread. Close other
    programs meanwhile. Then: edgetune predict model.onnx --device host

    With --agent sixty of them are clocked on boards, in less than fifteen minutes, and the profile --device is
    calibrated on them; stopped, it goes on where it was.
    """
    if agent is not None:
        _profile_board(device, agent, out, json)
        return
    from edgetune.pipeline.profiling import profile_machine

    with progress_reporter() as reporter:
        folder, fitted = profile_machine(device, out=out, reporter=reporter)
    if json:
        print_json({"device": device, "folder": str(folder)} | fitted.evidence())
        return
    errors = fitted.errors["networks"]
    figures = [f"{value:.1f} %" for value in (errors.mape_pct, errors.within_10_pct, errors.coverage_pct)]
    columns = ["setting", "networks measured", "error (MAPE)", "within ±10 %", "in the 90 % interval"]
    print_table(
        f"{device}: errors of networks held out", columns, [[fitted.setting.label, str(errors.networks), *figures]]
    )
    print(f"stored in {folder}; use it as --device {device if out is None else folder}")


def _profile_board(device: str, agents: str, out: Path | None, json: bool) -> None:
    from edgetune.agent.registry import find_agents
    from edgetune.pipeline.board_profiling import profile_board

    with progress_reporter() as reporter:
        models = profile_board(device, find_agents(agents), out=out, reporter=reporter)
    if json:
        print_json([model.evidence() for model in models])
        return
    columns = ["setting", "networks measured", "left out", "error (MAPE)", "within ±10 %", "in the 90 % interval"]
    rows = [
        [model.setting.label, str(errors.networks), left_out]
        + [f"{value:.1f} %" for value in (errors.mape_pct, errors.within_10_pct, errors.coverage_pct)]
        for model in models
        for left_out, errors in model.errors.items()
    ]
    print_table(f"{device}: errors of networks held out", columns, rows)
    if out is None:
        print("devices show tells more; predict and search use it from now on")
    else:
        print(f"stored in {out / device}; use it as --device {out / device}")
