"""`edgetune predict`"""

from __future__ import annotations

from typing import Annotated

import typer

from edgetune.cli.output import print_json, print_table

COSTLIEST = 10


def predict(
    networks: Annotated[list[str], typer.Argument(help="ONNX files, or names such as mobilenet-v2-1.0-224.")],
    device: Annotated[str, typer.Option(help="The board; see `edgetune devices`.")] = "rpi4",
    runtime: Annotated[str | None, typer.Option(help="Such as tflite-2.7.1; by default the board's own.")] = None,
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8.")] = "fp32",
    threads: Annotated[int | None, typer.Option(help="By default as measured.")] = None,
    cpu_mhz: Annotated[int | None, typer.Option(help="By default as measured.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, an object a network.")] = False,
) -> None:
    """Predict a network's latency on a board, with a 90 % interval, and show where the time goes."""
    from edgetune.latency.networks import predict_networks

    predictions = predict_networks(
        networks, device, runtime=runtime, precision=precision, threads=threads, cpu_mhz=cpu_mhz
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
        print_table("", ["costliest kernels", "kind", "output", "MACs", f"ms ({prediction.kind})", "share"], rows)
