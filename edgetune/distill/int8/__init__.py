"""Fine-tuning a network while it is rounded as its INT8 file rounds it (Jacob 2018)."""

from edgetune.distill.int8.network import RoundedNetwork, fold_batch_norm

__all__ = ["RoundedNetwork", "fold_batch_norm"]
