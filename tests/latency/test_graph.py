"""Kernels, their arithmetic and the memory they keep alive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.from_architecture import graph_of
from edgetune.space.architecture import Architecture, Block
from edgetune.space.mobile import MOBILE_LARGE, MOBILE_SMALL, MobileSpace


def test_counts_of_a_network_worked_out_by_hand() -> None:
    block = Block("block", "mbconv", 8, 8, stride=1, kernel=3, expansion=2, activation="relu", squeeze_excite=True)
    graph = graph_of(
        Architecture(1, 8, 4, stem_width=8, stem_stride=2, blocks=(block,), head_width=16, activation="relu")
    )
    stem, expand, depthwise, squeeze, project = 16 * 8 * 9, 16 * 8 * 16, 16 * 16 * 9, 16 * 8 + 8 * 16, 16 * 16 * 8
    head, classifier = 16 * 8 * 16, 16 * 4
    assert graph.macs == stem + expand + depthwise + squeeze + project + head + classifier
    biases = 8 + 16 + 16 + 8 + 16 + 8 + 16 + 4
    assert graph.parameters == 8 * 9 + 8 * 16 + 16 * 9 + squeeze + 16 * 8 + 8 * 16 + 64 + biases
    block_kinds = "pointwise depthwise global-pool pointwise pointwise multiply pointwise add".split()
    expected = ["add", "multiply", "conv", *block_kinds, "pointwise", "global-pool", "linear"]
    assert [kernel.kind for kernel in graph.kernels] == expected


def test_a_shortcut_stays_in_memory_until_it_is_added() -> None:
    builder = GraphBuilder("net", (4, 8, 8))
    x = builder.conv(INPUT, 4)
    y = builder.conv(x, 2)
    z = builder.conv(y, 4)
    builder.add(x, z)
    size = 8 * 8
    assert builder.graph().peak_memory_bytes("fp32") == 4 * size * (4 + 4 + 4)  # shortcut, sum's operand, sum
    assert builder.graph().peak_memory_bytes("int8") == size * (4 + 4 + 4)


@pytest.mark.parametrize("space", [MOBILE_SMALL, MOBILE_LARGE], ids=lambda space: space.name)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_kernel_reads_what_an_earlier_one_wrote(space: MobileSpace, seed: int) -> None:
    sample = space.space.draw(np.random.default_rng(seed))
    graph = graph_of(space.architecture(sample, channels=3, resolution=space.resolutions[1], classes=10))
    for i, kernel in enumerate(graph.kernels):
        assert all(-1 <= producer < i for producer in kernel.inputs)
        assert kernel.read == sum(
            graph.input[0] * graph.input[1] ** 2 if p < 0 else graph.kernels[p].written for p in kernel.inputs
        )
    assert graph.kernels[-1].output == (10, 1, 1)
