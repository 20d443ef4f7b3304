"""What the test of helpers runs in both processes: python first_and_helper.py teacher, or nothing to train."""

from __future__ import annotations

import sys

import torch

from edgetune.cli import main as edgetune
from edgetune.config import SearchConfig
from edgetune.distill import train_teacher
from edgetune.distill.loop import Recipe
from edgetune.distill.together import is_helper
from edgetune.distill.train_teacher import trained_teacher
from edgetune.files import cache_folder
from edgetune.pipeline.helping import dismiss_helpers, helped
from edgetune.pipeline.task import load_data

RECIPE = Recipe(epochs=1.5, learning_rate=0.01, batch_size=64)


def main(work: str) -> None:
    train_teacher.WIDTH = 4
    device, config = torch.device("cpu"), SearchConfig(data="digits", seed=5)
    if is_helper():
        sys.argv = ["edgetune", "search", "--data", "nowhere"]  # what a helper does it is told by the first alone
        edgetune()
    elif work == "teacher":
        dataset = load_data(config)
        with helped(config, RECIPE, device):
            trained_teacher(dataset, RECIPE, initial=None, seed=5, cache=cache_folder(), device=device)
    else:
        dismiss_helpers(device)
    if not is_helper():
        print("done")


if __name__ == "__main__":
    main(sys.argv[1])
