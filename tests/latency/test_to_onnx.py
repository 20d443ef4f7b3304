"""From kernels to a file and back: the same network, and one that onnxruntime runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgetune.errors import ModelFileError
from edgetune.latency.builder import INPUT, GraphBuilder
from edgetune.latency.from_onnx import read_onnx
from edgetune.latency.reference import reference_graph
from edgetune.latency.to_onnx import to_onnx

NETWORKS = (
    "mobilenet-v1-0.25-128", "mobilenet-v3-small_224_1.0", "efficientnet_b0", "squeezenet", "googlenet", "resnet18",
    "mobile-small-28-random-0", "mobile-small-32-random-1", "mobile-large-96-random-2", "shufflenet", "shufflenet_v2",
    *(f"probe-{seed}" for seed in range(20)),
)  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_written_reads_as_the_same_network(name: str, tmp_path: Path) -> None:
    graph = reference_graph(name)
    onnx.save(to_onnx(graph), tmp_path / "net.onnx")
    assert read_onnx(tmp_path / "net.onnx") == graph


@pytest.mark.parametrize("name", ["mobile-small-28-random-3", "shufflenet_v2", "probe-2", "probe-7"])
def test_onnxruntime_runs_it_and_gives_plain_numbers(name: str) -> None:
    import onnxruntime

    graph = reference_graph(name)
    session = onnxruntime.InferenceSession(to_onnx(graph).SerializeToString(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"x": np.random.default_rng(0).random((1, *graph.input), dtype=np.float32)})
    assert logits.size == graph.kernels[-1].written and np.isfinite(logits).all() and np.ptp(logits) > 1e-3


def test_a_kernel_that_a_shape_does_not_tell_is_refused() -> None:
    builder = GraphBuilder("attention", (8, 4, 1))
    builder.add_kernel("matmul", (INPUT, INPUT), (4, 4, 1), macs=128, name="product")
    with pytest.raises(ModelFileError, match="kind matmul"):
        to_onnx(builder.graph())
