"""Where and in which number format networks are computed."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor, nn

from edgetune.distill.memory import keep_freed_memory


def best_device() -> torch.device:
    """The GPU when there is one, else the processor, with memory made ready for large tensors."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    keep_freed_memory()
    return torch.device("cpu")


def place(module: nn.Module, device: torch.device) -> None:
    """Moves a module, channels last in memory, which convolutions are fastest in."""
    module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in it, not only stores it."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def mixed_precision(device: torch.device) -> AbstractContextManager[None]:
    """bfloat16 autocast on devices that compute in it, else nothing."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))


def to_pixels(images: np.ndarray, device: torch.device) -> Tensor:
    """uint8 (N, H, W, C) to float32 (N, C, H, W), channels last in memory."""
    pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
    return pixels.to(device, torch.float32, memory_format=torch.channels_last)
