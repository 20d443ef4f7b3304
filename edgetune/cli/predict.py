"""`edgetune predict`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetune.cli.output import print_json, print_table

COSTLIEST = 10
SIMULATED = "it runs the file as it is, with the runtime of its kind, on one thread of 1800 MHz"


def predict(
    models: Annotated[
        list[str] | None, typer.Argument(help="ONNX files, or names such as mobilenet-v2-1.0-224.", show_default=False)
    ] = None,
    networks: Annotated[
        Path | None, typer.Option(help="A CSV file with a column `network`, besides or instead of arguments.")
    ] = None,
    space: Annotated[str | None, typer.Option(help="The space that names belong to, such as nasbench201.")] = None,
    device: Annotated[str, typer.Option(help="The board; see `edgetune devices`.")] = "rpi4",
    runtime: Annotated[str | None, typer.Option(help="Such as tflite-2.7.1; by default the board's own.")] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, fp16 or int8.", show_default="fp32")] = None,
    threads: Annotated[int | None, typer.Option(help="By default as measured.")] = None,
    cpu_mhz: Annotated[int | None, typer.Option(help="By default as measured.")] = None,
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Run ONNX files on an emulated rpi4, count, and model one thread's time."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a network.")] = False,
) -> None:
    """Predict a network's latency on a board, with a 90 % interval, and show where the time goes."""
    from edgetune.errors import ConfigError
    from edgetune.latency.networks import predict_networks, read_names

    names = [*(models or ()), *(read_names(networks) if networks else ())]
    if not names:
        raise ConfigError("no network is named", mend="give an ONNX file, a name, or --networks FILE.csv")
    if simulate:
        from edgetune.cli.places import tool

        if device != "rpi4":
            raise ConfigError("only rpi4 can be simulated", where="--simulate", mend="leave --device out")
        given = {"space": space, "runtime": runtime, "precision": precision, "threads": threads, "cpu-mhz": cpu_mhz}
        idle = ", ".join(f"--{name}" for name, value in given.items() if value is not None)
        if idle:
            raise ConfigError(f"has no say with --simulate: {SIMULATED}", where=idle, mend="leave it out")
        simulated = tool("tools.pi_simulator")
        predictions = [simulated.simulate(Path(name)).prediction for name in names]
    else:
        predictions = predict_networks(
            names, device, runtime=runtime, precision=precision or "fp32", threads=threads, cpu_mhz=cpu_mhz, space=space
        )
    if json:
        print_json([prediction.to_json() for prediction in predictions])
        return
    for prediction in predictions:
        print(f"{prediction.network}: {prediction}")
        for warning in prediction.warnings:
            print(f"  note: {warning}")
        rows = [
            [
                kernel.name,
                kernel.kind,
                "×".join(map(str, kernel.output)),
                f"{kernel.macs / 1e6:.2f} M",
                f"{kernel.latency_ms:.3f}",
                f"{kernel.share:.1%}",
            ]
            for kernel in prediction.costliest(COSTLIEST)
        ]
        if not rows:
            continue
        print_table("", ["costliest kernels", "kind", "output", "MACs", f"ms ({prediction.kind})", "share"], rows)
