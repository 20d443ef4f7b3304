"""`edgetune tune`"""

from __future__ import annotations

from pathlib import Path
from signal import SIGINT
from typing import Annotated

import typer

from edgetune.cli.output import print_json, print_table, progress_reporter

HEAVIEST = 12


def tune(
    model: Annotated[Path, typer.Argument(help="An ONNX file.")],
    target: Annotated[str, typer.Option(help="host, or a board; see `edgetune devices`.")] = "host",
    budget: Annotated[str, typer.Option(help="When to stop, such as 10min; Ctrl-C before keeps what was found.")] = (
        "10min"
    ),
    runner: Annotated[
        str | None, typer.Option(help="HOST:PORT of TVM's RPC server on the board, such as localhost:9090.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Time schedules for a model's kernels and keep the fastest for every TVM library to come.

    Later exports for the same target use them, whatever the model. A board is timed on the board: start
    `TVM_NUM_THREADS=1 python -m tvm.exec.rpc_server --host 127.0.0.1 --port 9090` there, open a tunnel
    (`ssh -L 9090:localhost:9090 pi`), and give `--runner localhost:9090`.
    """
    from dataclasses import asdict

    from edgetune import units
    from edgetune.pipeline.tuning import tune_model

    with progress_reporter() as bars:
        report = tune_model(
            model, target, budget_seconds=units.seconds(budget, where="--budget"), runner=runner, reporter=bars
        )
    if not report.finished and not report.kernels:
        raise typer.Exit(128 + SIGINT)
    if json:
        print_json({**asdict(report), "gain": report.gain})
        return
    rows = [
        [
            kernel.kernel,
            str(kernel.calls),
            f"{kernel.share:.1%}",
            f"{kernel.by_rule_ms:.4f}",
            f"{kernel.ms:.4f}",
            str(kernel.timed),
        ]
        for kernel in report.kernels[:HEAVIEST]
    ]
    columns = ["heaviest kernels", "calls", "share", "by rule, ms", "tuned, ms", "timed"]
    print_table(f"{report.model} for {report.target}, measured on {report.where}, one thread", columns, rows)
    if report.untimed:
        print(f"{report.untimed} kernels were not reached, and the shares are of the others; give a larger --budget")
    print(f"{report.gain:.2f} times as fast as by rule, these kernels together; kept in {report.database}")
