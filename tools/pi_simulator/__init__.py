"""What a Raspberry Pi 4 would need for one inference, counted and modelled, with no board at hand.

    python -m tools.pi_simulator run model.onnx          one network
    python -m tools.pi_simulator fit                     the constants, again, from networks.csv
    python -m tools.pi_simulator count FOLDER            networks.csv, again, from ncnn's benchmark files

The artefact runs as the board's own machine code in the emulated userland (tools/pi_userland). A plugin of QEMU counts
each block of instructions and models the Cortex-A72's caches; llvm-mca knows what a block costs in its pipelines; five
constants, fitted to published figures of a real board, turn both into milliseconds. One thread only. The result is
called `simulated`, with its band; it is no measurement.
"""

from tools.pi_simulator.counts import Counts, count_model
from tools.pi_simulator.simulate import simulate

__all__ = ["Counts", "count_model", "simulate"]
