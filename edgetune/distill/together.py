"""One training in the processes that torchrun starts: each takes its share of every batch.

Data-parallel, with the gradients averaged after the backward pass. torch's DistributedDataParallel averages them within
it, where a process whose share does not fit its memory, or whose loss is not finite, leaves the others waiting.
Outside of :func:`together` a process is alone, and nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from edgetune.distill.gradients import NotFinite
from edgetune.errors import TeacherError

PATIENCE = timedelta(hours=2)
"""For the first process to be ready with the data and the plan: torchrun ends the others when it fails."""


def is_helper() -> bool:
    """Whether torchrun started this process beside a first one."""
    return distributed.is_torchelastic_launched() and int(os.environ["RANK"]) > 0


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """Joins the processes that torchrun started, once, and waits for all of them; without torchrun nothing happens.

    Raises
    ------
    TeacherError
        More processes than GPUs.
    """
    if not distributed.is_torchelastic_launched():
        yield
        return
    if device.type == "cuda":
        mine, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if mine >= there:
            raise TeacherError(f"process {mine + 1} for {there} GPU(s)", where="torchrun", mend="start one for each")
        torch.cuda.set_device(mine)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    """Of this process; 0 is the first, which writes and talks."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def size() -> int:
    """How many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def heard(text: str, device: torch.device) -> str:
    """What the first process says, in all of them."""
    if size() == 1:
        return text
    data = text.encode() if rank() == 0 else b""
    length = torch.tensor([len(data)], device=device)
    distributed.broadcast(length, 0)
    letters = torch.zeros(int(length), dtype=torch.uint8, device=device)
    letters[: len(data)] = torch.tensor(list(data), dtype=torch.uint8)
    distributed.broadcast(letters, 0)
    return bytes(letters.tolist()).decode()


def begin_alike(module: nn.Module) -> None:
    """Gives all processes the weights and statistics of the first."""
    if size() > 1:
        for tensor in module.state_dict().values():
            first = tensor.contiguous()  # channels-last ones are not
            distributed.broadcast(first, 0)
            tensor.copy_(first)


@contextmanager
def averaged_gradients(module: nn.Module, share: float) -> Iterator[None]:
    """The gradients that are computed within become those of the whole batch, of which this process has a `share`.

    Raises
    ------
    NotFinite
        Alone, if that is raised within; with others, the gradients of all are NaN then.
    """
    try:
        yield
    except NotFinite:
        if size() == 1:
            raise
        share = float("nan")
    if size() == 1:
        return
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    flat = torch.cat([_gradient(weight).flatten().float() for weight in weights]) * share
    distributed.all_reduce(flat)
    for weight, part in zip(weights, flat.split([weight.numel() for weight in weights]), strict=True):
        weight.grad = torch.empty_like(weight).copy_(part.view_as(weight))


def _gradient(weight: Tensor) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad
