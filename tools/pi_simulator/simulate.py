"""A model file's simulated latency, in the words of every other latency."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from edgetune.errors import ModelFileError
from edgetune.export.formats import runtime_for
from edgetune.latency.onnx_file import load_onnx
from edgetune.latency.prediction import Prediction
from tools.pi_simulator.constants import CPU_MHZ, Constants, Work
from tools.pi_simulator.counts import Counts, count_model
from tools.pi_simulator.pipelines import core_cycles

WARNING = "one thread only; counted in an emulator and modelled, never clocked"


@dataclass(frozen=True)
class Simulation:
    """The latency and what it was made of."""

    prediction: Prediction
    counts: Counts
    work: Work


def simulate(model: Path) -> Simulation:
    """Runs an ONNX file on the emulated board. Takes tens of seconds for a network of 300 million MACs.

    Raises
    ------
    ModelFileError
        No such file, or no picture in its input.
    MissingDependencyError
        No QEMU, LLVM or C compiler.
    """
    counts = count_model(model, _noise(model))
    work, constants = work_of(counts), Constants.load()
    latency = constants.milliseconds(work)
    runtime = runtime_for(model)
    prediction = Prediction(
        network=model.stem,
        latency_ms=latency,
        interval_ms=(latency / constants.band, latency * constants.band),
        kind="simulated",
        device="rpi4",
        runtime=runtime.name,
        runtime_version=version(runtime.package),
        precision="int8" if ".int8" in model.suffixes else "fp32",
        threads=1,
        cpu_mhz=CPU_MHZ,
        warnings=(WARNING,),
    )
    return Simulation(prediction, counts, work)


def work_of(counts: Counts) -> Work:
    return Work(
        core_cycles=core_cycles(counts),
        l2_hits=counts.l2_hits,
        streamed=counts.streamed,
        random=counts.l2_misses - counts.streamed,
        tlb_misses=counts.tlb_misses,
    )


def _noise(model: Path) -> np.ndarray:
    """A picture of noise in the shape of the model's input."""
    network = load_onnx(model)
    shape = network.dims[network.input]
    if len(shape) != 4:
        raise ModelFileError(f"its input is {shape}, not one picture", where=model, mend="name a picture network")
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
