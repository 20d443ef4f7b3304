"""Where networks are computed, and in which format."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgetune.distill.precision import best_device, mixed_precision, place, to_pixels


def test_pixels_keep_their_values_and_places() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)
    images.flags.writeable = False  # as a mapped file is
    pixels = to_pixels(images, torch.device("cpu"))
    assert pixels.dtype == torch.float32 and pixels.shape == (2, 3, 4, 5)
    assert pixels.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(pixels.numpy(), images.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("capable", [True, False])
def test_bfloat16_is_used_where_the_processor_computes_in_it(capable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": capable})
    with mixed_precision(torch.device("cpu")):
        y = nn.Conv2d(1, 1, 1)(torch.zeros(1, 1, 1, 1))
    assert y.dtype == (torch.bfloat16 if capable else torch.float32)


def test_there_is_always_a_device() -> None:
    device = best_device()
    assert torch.zeros(1, device=device).device.type == device.type
    assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_modules_are_placed_channels_last() -> None:
    module = nn.Conv2d(4, 8, 3)
    place(module, torch.device("cpu"))
    assert module.weight.is_contiguous(memory_format=torch.channels_last)
