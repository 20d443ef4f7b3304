"""Fine-tuning a network while it is rounded as its INT8 file rounds it (Jacob 2018)."""

from edgetune.distill.int8.network import RoundedNetwork

__all__ = ["RoundedNetwork"]
