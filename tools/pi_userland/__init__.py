"""A Raspberry Pi 4's userland without the board: arm64 Debian, Python, onnxruntime and TVM's runtime under QEMU.

    python -m tools.pi_userland run -- script.py arguments

What runs is the board's machine code on an emulated Cortex-A72: an instruction that the A72 lacks ends the program, and
numbers are the board's. Times are not: no clock read in here says anything about the board.
"""

from tools.pi_userland.userland import PiUserland

__all__ = ["PiUserland"]
