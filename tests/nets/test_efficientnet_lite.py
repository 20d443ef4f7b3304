from __future__ import annotations

import pytest
import torch

from edgetune.nets.efficientnet_lite import EfficientNetLite, SamePadding

PLAIN = ((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("variant", "millions"),  # of weights, from the table of the published models
    [
        ("efficientnet-lite0", 4.7),
        ("efficientnet-lite1", 5.4),
        ("efficientnet-lite2", 6.1),
        ("efficientnet-lite3", 8.2),
        ("efficientnet-lite4", 13.0),
    ],
)
def test_sizes_are_the_published_ones(variant: str, millions: float) -> None:
    network = EfficientNetLite(variant, classes=1000, mean=PLAIN[0], std=PLAIN[1])
    assert sum(weight.numel() for weight in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"),  # from TensorFlow's description of "SAME"
    [(224, 3, 2, 0, 1), (112, 5, 2, 1, 2), (7, 3, 2, 1, 1), (15, 5, 2, 2, 2), (14, 3, 1, 1, 1), (14, 5, 1, 2, 2)],
)
def test_padding_is_tensorflows(size: int, kernel: int, stride: int, before: int, after: int) -> None:
    padded = SamePadding(kernel, stride)(torch.ones(1, 1, size, size))[0, 0]
    assert padded.shape == (before + size + after,) * 2
    assert torch.equal(padded.sum(0).nonzero().flatten(), torch.arange(before, before + size))


def test_classes_and_gradients() -> None:
    torch.manual_seed(0)
    network = EfficientNetLite("efficientnet-lite0", classes=7, mean=PLAIN[0], std=PLAIN[1])
    logits = network(torch.rand(2, 3, 64, 64) * 255)
    assert logits.shape == (2, 7)
    logits.sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())
