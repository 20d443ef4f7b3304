"""Compiled where that pays, and where it can be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from edgetune.distill import compiled as room
from edgetune.distill.compiled import PAYS_FROM, compiled
from tests.distill.conftest import MakeNetwork


class OnGpu:
    """A batch that says it lies on a GPU; what is computed of it is computed here."""

    device = torch.device("cuda")

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels


@pytest.fixture
def compilers(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The modules that were handed to the compiler, which computes them as they are."""
    handed: list[nn.Module] = []

    def compile_(module: nn.Module) -> Callable[[OnGpu], Tensor]:
        handed.append(module)
        return lambda batch: module(batch.pixels)

    monkeypatch.setattr(torch, "compile", compile_)
    monkeypatch.setattr(room, "mixed_precision", lambda device: torch.autocast("cpu", torch.bfloat16))
    return handed


def example() -> Tensor:
    return torch.rand(8, 1, 8, 8) * 255


def test_a_long_training_on_a_gpu_is_compiled(make_network: MakeNetwork, compilers: list[nn.Module]) -> None:
    network = make_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    batch = OnGpu(example())
    result = compiled(network, batch, steps=PAYS_FROM, stage="teacher")  # type: ignore[arg-type]
    assert compilers == [network] and network.training
    assert torch.equal(result(batch), network(batch.pixels))  # type: ignore[arg-type]
    fresh = make_network()
    fresh(batch.pixels)
    fresh(batch.pixels)
    torch.testing.assert_close(network.state_dict(), fresh.state_dict(), rtol=0, atol=0)  # the trial left no trace
    assert all(weight.grad is None for weight in network.parameters())
    assert before.keys() == network.state_dict().keys()


def test_a_short_training_or_one_on_the_processor_is_not(make_network: MakeNetwork, compilers: list[nn.Module]) -> None:
    network = make_network()
    assert compiled(network, OnGpu(example()), steps=PAYS_FROM - 1, stage="teacher") is network  # type: ignore[arg-type]
    assert compiled(network, example(), steps=10 * PAYS_FROM, stage="teacher") is network
    assert compilers == []


def test_where_it_fails_a_note_says_so(
    make_network: MakeNetwork,
    compilers: list[nn.Module],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(batch: OnGpu) -> Tensor:
        network(batch.pixels)  # BatchNorm has seen it before the failure
        raise RuntimeError("no C compiler\n  in such and such a place")

    monkeypatch.setattr(torch, "compile", lambda module: broken)
    network = make_network()
    assert compiled(network, OnGpu(example()), steps=PAYS_FROM, stage="teacher") is network  # type: ignore[arg-type]
    assert caplog.messages == ["teacher: not compiled, and slower for it: no C compiler"]
    torch.testing.assert_close(network.state_dict(), make_network().state_dict(), rtol=0, atol=0)
