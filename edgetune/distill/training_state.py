"""Everything that a training changes, so that it can go back or go on."""

from __future__ import annotations

import copy
import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from edgetune.errors import StudyError
from edgetune.files import atomic_write

SLOWER = 0.5
"""What the learning rate is multiplied with each time that a training goes back."""


class TrainingState:
    """Weights, their moving average if there is one, optimizer, schedule.

    Parameters
    ----------
    identity
        Tells apart trainings that must not go on from each other's checkpoints; see :func:`identity_of`.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: LRScheduler,
        average: AveragedModel | None,
        identity: str,
    ) -> None:
        self.parts: dict[str, Any] = {"module": module, "optimizer": optimizer, "schedule": schedule}
        if average is not None:
            self.parts["average"] = average
        self.optimizer, self.schedule, self.identity = optimizer, schedule, identity
        self.keep()

    def keep(self) -> None:
        """This is the last good state."""
        self._good = copy.deepcopy(self._state())

    def go_back(self, times: int) -> None:
        """To the last good state, for the `times`-th time, and slower with each."""
        self._load(copy.deepcopy(self._good))
        slower = SLOWER**times
        self.schedule.base_lrs = [slower * rate for rate in self.schedule.base_lrs]
        for group in self.optimizer.param_groups:
            group["lr"] *= slower

    def save(self, path: Path | None) -> None:
        if path is not None:
            with atomic_write(path) as aside:
                torch.save({**self._state(), "identity": self.identity}, aside)

    def resume(self, path: Path | None) -> None:
        """Goes on from a checkpoint, if there is one.

        Raises
        ------
        StudyError
            It is damaged, or belongs to another training.
        """
        if path is None or not path.exists():
            return
        state = _read(path)
        if state.get("identity") != self.identity:
            raise _of_another(path)
        self._load(state)
        self.keep()

    def _state(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.parts.items()}

    def _load(self, state: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state[name])


def read_weights(path: Path, identity: str | None = None) -> dict[str, Tensor]:
    """The weights in a checkpoint by their names, on the CPU.

    Raises
    ------
    StudyError
        It is damaged, or belongs to another training than `identity` says.
    """
    state = _read(path)
    if identity is not None and state.get("identity") != identity:
        raise _of_another(path)
    return dict(state["module"])


def _read(path: Path) -> dict[str, Any]:
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")  # one of a GPU may go on without it
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise _damaged(path) from error
    if not isinstance(state, dict) or not isinstance(state.get("module"), dict):
        raise _damaged(path)
    return state


def _damaged(path: Path) -> StudyError:
    return StudyError("not a checkpoint, or cut short", where=path, mend="delete it to train anew")


def _of_another(path: Path) -> StudyError:
    mend = "delete it to train anew"
    return StudyError("the checkpoint of another network, recipe, seed or data", where=path, mend=mend)


def identity_of(module: nn.Module, recipe: str, seed: int, labels: np.ndarray) -> str:
    """A hash of the weights' names and shapes, which a space decides, and of what else makes a training another one."""
    digest = hashlib.sha256(f"{recipe} {seed}".encode())
    for name, tensor in module.state_dict().items():
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
    digest.update(np.ascontiguousarray(labels).tobytes())
    return digest.hexdigest()[:16]
