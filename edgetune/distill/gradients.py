"""The gradients of one batch, also where it does not fit the memory or has none that are numbers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from edgetune.distill.loop import Batch

FEWEST = 2
"""Pictures of a part of a batch: BatchNorm has no deviation of one."""


class NotFinite(ArithmeticError):
    """A loss or a gradient is NaN or infinite."""


def backward(
    losses: Callable[[Batch], Iterable[Tensor]], batch: Batch, module: nn.Module, *, parts: int, stage: str
) -> int:
    """Adds up the gradients of a batch, taken in `parts`; each loss is differentiated before the next is computed.

    Where the memory runs out, the parts are halved with a note, and stay so.

    Returns
    -------
    The number of parts that went well.

    Raises
    ------
    NotFinite
        A loss is.
    MemoryError
        The memory does not even hold parts of :data:`FEWEST` pictures.
    """
    while True:
        module.zero_grad(set_to_none=True)
        try:
            for part in split(batch, parts):
                share = len(part.labels) / len(batch.labels)
                for loss in losses(part):
                    if not torch.isfinite(loss):
                        raise NotFinite
                    (share * loss).backward()
            return parts
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            parts *= 2
            if len(batch.labels) < FEWEST * parts:
                raise MemoryError(f"{stage}: not even a few pictures at a time fit") from error
            size = -(-len(batch.labels) // parts)
            logging.getLogger(__name__).warning(
                "%s: out of memory; batches are taken %d pictures at a time", stage, size
            )
        torch.cuda.empty_cache()  # nothing where there is no GPU; not while the error holds what did not fit


def split(batch: Batch, parts: int) -> Iterator[Batch]:
    """The batch in parts of nearly the same size."""
    if parts == 1:
        yield batch
        return
    for rows in torch.arange(len(batch.labels), device=batch.labels.device).chunk(parts):
        teacher = None if batch.teacher_logits is None else batch.teacher_logits[rows]
        yield replace(batch, pixels=batch.pixels[rows], labels=batch.labels[rows], teacher_logits=teacher)


def out_of_memory(error: Exception) -> bool:
    """Also of a CPU's allocator and of onnxruntime, which raise no errors of their own kind."""
    words = (
        "can't allocate memory",
        "Failed to allocate memory",
        "bad allocation",
        "std::bad_alloc",
        "could not create a primitive",  # oneDNN, which says no more
    )
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(word in str(error) for word in words)
