from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from edgetune.export.card import Omission
from edgetune.export.int8 import Quantised
from edgetune.pipeline.artefacts import _keep_rounded


def test_a_quantisation_that_loses_too_much_is_left_out_and_says_so() -> None:
    lossy = Quantised("minmax", float_ends=False, top1=0.90, float_top1=0.93, speedup=1.5, clocked="here")
    made = _keep_rounded(cast(Any, None), "int8", Path("model.int8.onnx"), lossy)
    assert isinstance(made, Omission)
    assert made.reason == "loses 3.0 points of validation top-1, more than 0.5"
