"""`edgetune export`"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from edgetune.cli.output import print_json, print_table, progress_reporter


def export(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    trial: Annotated[int, typer.Option(help="The number of a trial; any will do, not only those of the front.")],
    formats: Annotated[
        str | None, typer.Option(help="Of onnx, int8, tvm, tflite; by default those of the run.", show_default=False)
    ] = None,
    dynamic_batch: Annotated[
        bool, typer.Option("--dynamic-batch", help="ONNX files that take any number of pictures at once.")
    ] = False,
    onnxruntime: Annotated[
        str | None,
        typer.Option(help="The version on the board, such as 1.10; decides the opset.", show_default="as pinned"),
    ] = None,
    int8_epochs: Annotated[
        float | None,
        typer.Option(
            help="Fine-tune an INT8 file that loses too much, with its rounding, for so many epochs.",
            show_default="those of the run",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the bundle's card as JSON.")] = False,
) -> None:
    """Make the bundle of one trial: distil it in full if that was not done, export and check it.

    Made again, a bundle is the same byte for byte: what was clocked the first time, to decide on INT8, is kept in the
    run; give the same options. The first `tflite` makes an environment for LiteRT's converter, which takes minutes; see
    `edgetune doctor`.
    """
    from edgetune.errors import ConfigError
    from edgetune.export.formats import formats_of
    from edgetune.export.onnx_file import PLAIN, OnnxForm, opset_for
    from edgetune.pipeline.search import resume

    wanted = None if formats is None else formats_of(formats, where="--formats")
    opset = PLAIN.opset if onnxruntime is None else opset_for(onnxruntime, where="--onnxruntime")
    if int8_epochs is not None and not 0 < int8_epochs < math.inf:
        what, mend = f"no training takes {int8_epochs:g} epochs", "give a positive number, such as 2, or leave it out"
        raise ConfigError(what, where="--int8-epochs", mend=mend)
    with progress_reporter() as bars:
        bundle = resume(run, bars).export(
            trial, wanted, OnnxForm(opset, dynamic_batch, onnxruntime), int8_epochs=int8_epochs
        )
    if json:
        print_json(bundle.card.model_dump(mode="json"))
        return
    rows = [[name, f"{record.size_bytes:,}", record.sha256[:16]] for name, record in bundle.card.files.items()]
    print_table(f"{bundle.folder}: {bundle.card.test_top1:.2%} test top-1", ["file", "bytes", "sha256"], rows)
