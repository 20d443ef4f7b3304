"""Runs in LiteRT's own environment, by :mod:`edgetune.export.tflite_file`; imports nothing of edgetune.

    python litert_convert.py program.pt2 model.tflite
    python litert_convert.py model.tflite model.int8.tflite calibration.npy

The first form converts an exported torch program, the second quantises a converted one with pictures, float32
(N, C, H, W): weights and activations in 8 bits, input and output in float32.
"""

# mypy: ignore-errors
# Its imports are of another environment than the one that is type-checked.

import sys
from pathlib import Path


def convert(program: str, target: str) -> None:
    import litert_torch
    import torch

    exported = torch.export.load(program)
    litert_torch.convert(exported.module(), exported.example_inputs[0]).export(target)


def quantize(source: str, target: str, calibration: str) -> None:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe_manager
    from ai_edge_quantizer.qtyping import TFLOperationName as Operation

    recipe = recipe_manager.RecipeManager()
    recipe.add_static_config(
        regex=".*", operation_name=Operation.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8
    )
    for end in (Operation.INPUT, Operation.OUTPUT):
        recipe.add_quantization_config(regex=".*", operation_name=end, algorithm_key="no_quantize")
    ((signature, ends),) = Interpreter(source).get_signature_list().items()
    pictures = np.load(calibration)
    worker = quantizer.Quantizer(source, recipe.get_quantization_recipe())
    ranges = worker.calibrate({signature: [{ends["inputs"][0]: picture[None]} for picture in pictures]})
    Path(target).unlink(missing_ok=True)
    worker.quantize(ranges).export_model(target)


if __name__ == "__main__":
    (quantize if len(sys.argv) == 4 else convert)(*sys.argv[1:])
