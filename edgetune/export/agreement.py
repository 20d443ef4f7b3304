"""Whether an artefact computes what its network computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgetune.errors import ExportError

if TYPE_CHECKING:
    import torch

FLOAT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Agreement:
    """Two sets of logits side by side.

    `relative_difference` is the largest absolute difference over the largest absolute logit;
    `same_top1` is the share of pictures, 0…1, on which both give the same class.
    """

    pictures: int
    relative_difference: float
    same_top1: float

    def require(self, name: str, *, tolerance: float = FLOAT_TOLERANCE) -> Agreement:
        """Itself, if the logits differ by at most `tolerance` of the largest one.

        Raises
        ------
        ExportError
            The artefact computes something else.
        """
        if not self.relative_difference <= tolerance:  # also true of NaN
            raise ExportError(
                f"its logits differ from the network's by {self.relative_difference:.1e} of the largest logit, "
                f"more than {tolerance:.0e}",
                where=name,
                mend="do not ship it; report the network",
            )
        return self


def compare_logits(expected: np.ndarray, given: np.ndarray) -> Agreement:
    """Compares logits (N, classes) of the same pictures.

    Raises
    ------
    ExportError
        Other shapes, no picture, or values that are no numbers.
    """
    if expected.shape != given.shape or expected.ndim != 2 or not len(expected):
        raise ExportError(f"logits of shapes {expected.shape} and {given.shape} cannot be compared")
    return Agreement(
        pictures=len(expected),
        relative_difference=float(np.abs(expected - given).max() / np.abs(expected).max()),
        same_top1=float(np.mean(expected.argmax(1) == given.argmax(1))),
    )


def torch_logits_of(module: torch.nn.Module, pictures: np.ndarray, *, batch: int = 256) -> np.ndarray:
    """Logits (N, classes) of raw pictures, float32 (N, C, H, W), by the module in evaluation mode, on its device."""
    import torch

    was_training = module.training
    device = next(module.parameters()).device
    with torch.inference_mode():
        parts = [module.eval()(part.to(device)).cpu().numpy() for part in torch.from_numpy(pictures).split(batch)]
    module.train(was_training)
    return np.concatenate(parts)
