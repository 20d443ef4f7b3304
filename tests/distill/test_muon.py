"""Muon against torch's own, against numpy's singular vectors, and through a checkpoint."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from edgetune.distill.muon import FASTER, MOMENTUM, Muon, mixes_channels, orthogonal
from edgetune.distill.optimizers import parameter_groups

RATE, DECAY = 0.01, 0.1


def network() -> nn.Sequential:
    """A stem of one channel, a dense, a depthwise and a pointwise convolution, BatchNorm, a classifier."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3),
        nn.ReLU(),  # without it a bias before BatchNorm has no gradient but noise, which AdamW makes large
        nn.Conv2d(6, 8, 3),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 4, 1),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def backward(module: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn((16, 1, 8, 8), generator=generator)
    module.zero_grad()
    functional.cross_entropy(module(pixels), torch.randint(3, (16,), generator=generator)).backward()


def test_dense_convolutions_go_as_torchs_muon_and_the_rest_as_adamw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's takes matrices, which share memory with the convolutions here, and computes in bfloat16, which is made to
    be float32."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    ours, theirs = network(), network()
    optimizer = Muon(parameter_groups(ours, DECAY), RATE)
    dense = [weight for weight in theirs.parameters() if mixes_channels(weight)]
    assert [tuple(weight.shape) for weight in dense] == [(8, 6, 3, 3), (4, 8, 1, 1)]
    matrices = [nn.Parameter(weight.detach().flatten(1)) for weight in dense]
    muon = torch.optim.Muon(
        matrices, FASTER * RATE, weight_decay=DECAY, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(parameter_groups(theirs, DECAY), RATE)
    for step in range(5):
        backward(ours, step)
        optimizer.step()
        backward(theirs, step)
        for weight, matrix in zip(dense, matrices, strict=True):
            assert weight.grad is not None
            matrix.grad, weight.grad = weight.grad.flatten(1), None
        muon.step()
        adamw.step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), rtol=1e-4, atol=1e-5)


@given(st.integers(1, 3), st.integers(1, 20), st.integers(1, 20), st.integers(0, 100))
def test_singular_vectors_stay_and_values_become_about_one(count: int, rows: int, columns: int, seed: int) -> None:
    """Against numpy's decomposition; values below a thousandth of the largest are left small."""
    matrices = np.random.default_rng(seed).standard_normal((count, rows, columns)).astype(np.float32)
    found = orthogonal(torch.from_numpy(matrices)).numpy()
    for matrix, made in zip(matrices, found, strict=True):
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        turned = left.T @ made @ right.T
        np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=0.01)
        large = values > 0.02 * np.linalg.norm(values)
        assert ((np.diag(turned)[large] > 0.6) & (np.diag(turned)[large] < 1.25)).all()


def test_no_gradient_is_no_step_and_no_orthogonal_noise() -> None:
    """What a batch of the supernet does not use stays; a gradient of zeros gives no NaN."""
    module = network()
    before = copy.deepcopy(module.state_dict())
    optimizer = Muon(parameter_groups(module, 0.0), RATE)
    optimizer.step()
    for weight in module.parameters():
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    torch.testing.assert_close(module.state_dict(), before)


def test_goes_on_from_its_state_with_the_same_bits() -> None:
    unbroken, stopped = network(), network()
    first, second = Muon(parameter_groups(unbroken, DECAY), RATE), Muon(parameter_groups(stopped, DECAY), RATE)
    for step in range(4):
        backward(unbroken, step)
        first.step()
        backward(stopped, step)
        second.step()
        state = copy.deepcopy(second.state_dict())
        second = Muon(parameter_groups(stopped, DECAY), RATE)
        second.load_state_dict(state)
    torch.testing.assert_close(unbroken.state_dict(), stopped.state_dict(), rtol=0, atol=0)
