"""Pictures a batch at a time, also where a batch does not fit the memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import numpy as np
import torch

from edgetune.distill.gradients import out_of_memory


def in_batches(
    function: Callable[[np.ndarray], np.ndarray], images: np.ndarray, *, size: int, stage: str
) -> Iterator[np.ndarray]:
    """`function` of the pictures, `size` at a time and in order.

    Where the memory runs out, the batches are halved with a note, and stay so.

    Raises
    ------
    MemoryError
        It does not even hold a single one.
    """
    start = 0
    while start < len(images):
        batch = images[start : start + size]
        try:
            rows = function(batch)
        except Exception as error:  # onnxruntime's are of no common kind
            if not out_of_memory(error):
                raise
            size = len(batch) // 2
            if not size:
                raise MemoryError(f"{stage}: not even a single picture fits") from error
            logging.getLogger(__name__).warning("%s: out of memory; pictures are taken %d at a time", stage, size)
        else:
            yield rows
            start += len(batch)
            continue
        torch.cuda.empty_cache()  # nothing where there is no GPU; not while the error holds what did not fit
