"""What torchrun's processes beside the first do of a search: their share of the teacher's training."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch

from edgetune.config import SearchConfig
from edgetune.distill.loop import Recipe
from edgetune.distill.precision import best_device
from edgetune.distill.together import heard, together
from edgetune.distill.train_teacher import trained_teacher
from edgetune.files import cache_folder
from edgetune.pipeline.task import load_data

NOTHING = "null"


@contextmanager
def helped(config: SearchConfig, recipe: Recipe, device: torch.device, *, narrow: bool = False) -> Iterator[None]:
    """Around the training of a teacher in the first process: calls the others to it. Alone, nothing happens.

    Raises
    ------
    TeacherError
        More processes than GPUs.
    """
    with together(device):
        work = {"config": config.model_dump(mode="json"), "recipe": asdict(recipe), "narrow": narrow}
        heard(json.dumps(work), device)
        yield


def dismiss_helpers(device: torch.device) -> None:
    """There is no teacher to train."""
    with together(device):
        heard(NOTHING, device)


def help_search() -> None:
    """The whole of what a helper does. It sees the cache folder and the data under the same paths, and says nothing."""
    logging.disable()
    device = best_device()
    with together(device):
        work = json.loads(heard("", device))
        if work is None:
            return
        config = SearchConfig.model_validate(work["config"])
        trained_teacher(
            load_data(config),
            Recipe(**work["recipe"]),
            initial=Path(config.init_teacher) if config.init_teacher else None,
            narrow=work["narrow"],
            seed=config.seed,
            cache=cache_folder(),
            device=device,
        )
