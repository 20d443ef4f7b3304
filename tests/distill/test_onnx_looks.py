from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgetune.distill.onnx_looks import FEWEST, look, open_session
from edgetune.export.onnx_file import OnnxForm, export_onnx
from tests.distill.conftest import MakeNetwork


class Session:
    """Says the mean of each picture, and keeps how many it was given at a time."""

    def __init__(self, provider: str, batch: int | str) -> None:
        self.provider, self.batch, self.counts = provider, batch, list[int]()

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="in", shape=[self.batch, 1, 28, 28])]

    def get_providers(self) -> list[str]:
        return [self.provider, "CPUExecutionProvider"]

    def run(self, outputs: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.counts.append(len(given["in"]))
        return [given["in"].mean((1, 2, 3))[:, None]]


@given(count=st.integers(1, 70), side=st.sampled_from([4, 28, 160]), batch=st.sampled_from([1, "n"]))
def test_each_picture_is_looked_at_once_and_in_order(count: int, side: int, batch: int | str) -> None:
    session = Session("CPUExecutionProvider", batch)
    pictures = np.broadcast_to(np.arange(count, dtype=np.float32)[:, None, None, None], (count, 1, side, side))
    assert look(session, pictures)[:, 0].tolist() == list(range(count))
    most = 1 if batch == 1 else {4: 70, 28: 16, 160: FEWEST}[side]
    assert sum(session.counts) == count and max(session.counts) <= most


def test_a_gpu_is_given_all_at_once() -> None:
    session = Session("CUDAExecutionProvider", "n")
    look(session, np.zeros((70, 1, 28, 28), np.float32))
    assert session.counts == [70]


@pytest.mark.parametrize("threads", [1, 2])
def test_it_says_what_the_module_says(threads: int, make_network: MakeNetwork, tmp_path: Path) -> None:
    module, before = make_network().eval(), torch.get_num_threads()
    export_onnx(module, tmp_path / "n.onnx", channels=1, resolution=8, metadata={}, form=OnnxForm(dynamic_batch=True))
    pixels = torch.rand(401, 1, 8, 8) * 255
    torch.set_num_threads(threads)
    try:
        logits = look(open_session(tmp_path / "n.onnx"), pixels.numpy())
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(torch.from_numpy(logits), module(pixels).detach(), rtol=1e-4, atol=1e-4)
