"""A network's weights as a safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgetune.errors import StudyError
from edgetune.files import atomic_write

if TYPE_CHECKING:
    import torch


def save_weights(network: torch.nn.Module, path: Path) -> None:
    from safetensors.torch import save_file

    with atomic_write(path) as aside:
        save_file({name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}, aside)


def load_weights(network: torch.nn.Module, path: Path) -> None:
    """Into a network of the same architecture, in place.

    Raises
    ------
    StudyError
        The file is not there, cut short, or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise StudyError(f"no weights of this network: {error}", where=path, mend="remove it, export again") from error
