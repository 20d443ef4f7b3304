"""`edgetune calibrate`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetune.cli.output import print_json, print_table


def calibrate(
    device: Annotated[str, typer.Option(help="A known board, or a new name.")],
    measurements: Annotated[
        Path | None,
        typer.Option(help="CSV with network, latency_ms and, where known, runtime, precision, threads, cpu_mhz."),
    ] = None,
    suggest: Annotated[
        int | None,
        typer.Option(help="Say instead which so many networks to measure; --out also gets their ONNX files."),
    ] = None,
    sources: Annotated[
        str | None, typer.Option("--from", help="Boards to learn from, such as rpi4,pixel3. \\[all]")
    ] = None,
    space: Annotated[str | None, typer.Option(help="The space that names belong to, such as nasbench201.")] = None,
    runtime: Annotated[
        str | None, typer.Option(help="With --suggest: such as ncnn; by default the board's own.")
    ] = None,
    precision: Annotated[str, typer.Option(help="With --suggest: fp32, fp16 or int8.")] = "fp32",
    out: Annotated[Path | None, typer.Option(help="Where the profile goes. [the user's own folder]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fit a board's latency model to measurements, few or many, and keep it as a profile.

    What is known of other boards fills in for what was not measured. A network is an ONNX file, a reference network's
    name such as mobilenet-v2-1.0-224, or an architecture of --space. Before, --suggest 8 tells which teach most.
    """
    from edgetune.errors import ConfigError

    if suggest is not None and measurements is None:
        _suggest(device, suggest, runtime, precision, out, json)
        return
    if measurements is None or suggest is not None:
        raise ConfigError("one of --measurements and --suggest is needed", mend="start with --suggest 8 --out FOLDER")
    from edgetune.latency.calibrate import calibrate as fit
    from edgetune.latency.measurements import absent_columns

    models = fit(device, measurements, sources=sources.split(",") if sources else None, out=out, space=space)
    if assumed := absent_columns(measurements):
        taken = "; ".join(model.setting.label for model in models)
        typer.echo(f"note: the file says no {', '.join(assumed)}: taken for {taken}", err=True)
    if json:
        print_json([model.evidence() for model in models])
        return
    rows = [[model.setting.label, str(model.measured.networks)] for model in models]
    print_table(f"{device}: calibrated", ["setting", "networks"], rows)


def _suggest(device: str, count: int, runtime: str | None, precision: str, out: Path | None, json: bool) -> None:
    from edgetune.latency.suggest import suggest_networks, write_suggestion

    setting, names = suggest_networks(device, count, runtime=runtime, precision=precision)
    table = write_suggestion(out, setting, names) if out else None
    if json:
        print_json({"device": device, "setting": setting.label, "networks": names, "table": table and str(table)})
        return
    print_table(f"{device}, {setting.label}: measure", ["network"], [[name] for name in names])
    if table:
        print(f"fill in {table}, then: edgetune calibrate --device {device} --measurements {table}")
