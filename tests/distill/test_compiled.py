"""Compiled where that pays, and where it can be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from edgetune.distill import compiled as room
from edgetune.distill.compiled import PAYS_FROM, compiled
from tests.distill.conftest import MakeNetwork

GPU = torch.device("cuda")
"""In name alone: what is computed is computed here."""


@pytest.fixture
def compilers(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The modules that were handed to the compiler, which computes them as they are."""
    handed: list[nn.Module] = []

    def compile_(module: nn.Module) -> Callable[[Tensor], Tensor]:
        handed.append(module)
        return lambda pixels: module(pixels)

    monkeypatch.setattr(torch, "compile", compile_)
    monkeypatch.setattr(room, "mixed_precision", lambda device: torch.autocast("cpu", torch.bfloat16))
    return handed


def example() -> Tensor:
    return torch.full((8, 1, 8, 8), 77.0)


def test_a_long_training_on_a_gpu_is_compiled(make_network: MakeNetwork, compilers: list[nn.Module]) -> None:
    network = make_network()
    result = compiled(network, example, device=GPU, steps=PAYS_FROM, stage="teacher")
    assert compilers == [network] and network.training and result is not network
    torch.testing.assert_close(network.state_dict(), make_network().state_dict(), rtol=0, atol=0)
    assert all(weight.grad is None for weight in network.parameters())
    assert torch.equal(result(example()), network(example()))


def test_a_short_training_or_one_on_the_processor_is_not(make_network: MakeNetwork, compilers: list[nn.Module]) -> None:
    network = make_network()
    assert compiled(network, example, device=GPU, steps=PAYS_FROM - 1, stage="teacher") is network
    assert compiled(network, example, device=torch.device("cpu"), steps=10 * PAYS_FROM, stage="teacher") is network
    assert compilers == []


def test_where_it_fails_a_note_says_so(
    make_network: MakeNetwork,
    compilers: list[nn.Module],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(pixels: Tensor) -> Tensor:
        network(pixels)  # BatchNorm has seen it before the failure
        raise RuntimeError("no C compiler\n  in such and such a place")

    monkeypatch.setattr(torch, "compile", lambda module: broken)
    network = make_network()
    assert compiled(network, example, device=GPU, steps=PAYS_FROM, stage="teacher") is network
    assert caplog.messages == ["teacher: not compiled, and slower for it: no C compiler"]
    torch.testing.assert_close(network.state_dict(), make_network().state_dict(), rtol=0, atol=0)
