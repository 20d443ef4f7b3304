"""Memory for activations: predicted from the graph, and what onnxruntime really sets aside.

    python -m tools.bench.memory [model.onnx …] [--samples 10]

Without files: so many random networks of each space, untrained. The arena is told to give back everything after each
inference and to grow by what is asked for; its own log then says how large one inference's blocks are. Bytes, not
times: they repeat, and are the same on the emulated board.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgetune.export.arena import onnxruntime_arena_bytes
from edgetune.latency.from_onnx import read_onnx

INFERENCES = """
import sys
import numpy as np
import onnxruntime as ort

ort.set_default_logger_severity(0)
ort.set_default_logger_verbosity(1)
memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
ort.create_and_register_allocator(memory, ort.OrtArenaCfg({"arena_extend_strategy": 1}))
options = ort.SessionOptions()
options.intra_op_num_threads = 1
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # no layouts of x86 alone
options.add_session_config_entry("session.use_env_allocators", "1")
options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
session = ort.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
pixels = session.get_inputs()[0]
giving_back = ort.RunOptions()
giving_back.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
for _ in range(3):  # the first records, the second lays out, the third finds an empty arena
    print("INFERENCE", file=sys.stderr, flush=True)
    session.run(None, {pixels.name: np.zeros(pixels.shape, np.float32)}, giving_back)
"""
ASKED_FOR = re.compile(r"\(requested\) num_bytes: (\d+)")


def arena_bytes(model: Path) -> int:
    """What the arena was asked for during one inference on this machine, weights aside."""
    done = subprocess.run([sys.executable, "-c", INFERENCES, model], capture_output=True, text=True, check=True)
    return sum(map(int, ASKED_FOR.findall(done.stderr.split("INFERENCE")[3])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--samples", type=int, default=10)
    options = parser.parse_args()
    print("| network | largest sum alive | predicted arena | onnxruntime's arena | predicted / real |")
    print("|---|---|---|---|---|")
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models or random_networks(options.samples, Path(folder)):
            graph, real = read_onnx(model), arena_bytes(model)
            predicted = onnxruntime_arena_bytes(graph)
            ratios.append(predicted / real)
            alive = graph.peak_memory_bytes("fp32")
            print(f"| {model.stem} | {alive:,} | {predicted:,} | {real:,} | {ratios[-1]:.3f} |", flush=True)
    print(f"worst: {max(abs(ratio - 1) for ratio in ratios):.1%}")


def random_networks(count: int, folder: Path) -> Iterator[Path]:
    """ONNX files of random networks of each space."""
    import torch

    from edgetune.export.onnx_file import export_onnx
    from edgetune.nets.network import build_network
    from edgetune.space.mobile import MOBILE_SPACES

    for name, resolution in zip(MOBILE_SPACES, (28, 128), strict=True):
        space, rng = MOBILE_SPACES[name], np.random.default_rng(0)
        for number in range(count):
            torch.manual_seed(number)
            architecture = space.architecture(space.space.draw(rng), channels=3, resolution=resolution, classes=10)
            path = folder / f"{name}-{number}.onnx"
            export_onnx(build_network(architecture), path, channels=3, resolution=resolution, metadata={})
            yield path


if __name__ == "__main__":
    main()
