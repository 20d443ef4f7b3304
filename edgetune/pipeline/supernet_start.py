"""Where the training of a supernet begins: where an earlier one ended, at its weights, or at random ones."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from torch import Tensor

from edgetune.distill.training_state import read_weights
from edgetune.errors import StudyError
from edgetune.files import atomic_write
from edgetune.insight.state import note_event
from edgetune.nets.elastic import Supernet
from edgetune.pipeline.library import TRAINING, Entry
from edgetune.pipeline.plan import Plan
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.task import Task
from edgetune.report.explanation import Event
from edgetune.reporter import Say
from edgetune.search.study import Study

HALF = 0.5  # the share of a supernet's weights that must fit


def begin_supernet(
    supernet: Supernet, earlier: list[Entry], study: Study, task: Task, plan: Plan, folder: RunFolder, say: Say
) -> None:
    """Starts a supernet from an earlier study's, once; what is taken is copied, so that a resumed run does the same.

    Where the earlier training was the same in everything that decides weights, this one goes on from its checkpoint,
    which is its end unless it was stopped; the board, the limits and the strategy decide none of them. Else the weights
    are those of the first earlier supernet of which half or more fit by name and shape, and are trained as any others.
    """
    from safetensors.torch import load_file, save_file

    training = training_of(task, plan)
    study.set_note(TRAINING, training)
    checkpoints = [(entry, RunFolder(Path(entry.run)).supernet) for entry in earlier]
    if not folder.supernet.exists() and not folder.supernet_start.exists():
        for entry, checkpoint in checkpoints:
            if entry.training == training and checkpoint.is_file():
                with atomic_write(folder.supernet) as aside:
                    shutil.copyfile(checkpoint, aside)
                _tell(study, f"that of {entry.source}", "it was trained in the same way", say)
                return
        for entry, checkpoint in checkpoints:
            weights = _fitting(supernet, checkpoint, say) if checkpoint.is_file() else {}
            share = sum(map(Tensor.numel, weights.values())) / sum(map(Tensor.numel, supernet.parameters()))
            if share >= HALF:
                with atomic_write(folder.supernet_start) as aside:
                    save_file(weights, aside)
                _tell(study, f"begins with the weights of {entry.source}", f"{share:.0%} of them fit", say)
                break
    if folder.supernet_start.exists():
        supernet.load_state_dict(load_file(folder.supernet_start), strict=False)


def training_of(task: Task, plan: Plan) -> str:
    """A hash of what decides a supernet's weights, but for what it began with."""
    config = task.config
    decides = {
        "data": task.dataset.content_hash,
        "space": repr(task.space),  # its pools may differ between versions
        "supernet": asdict(plan.supernet),
        "teacher": config.teacher or {"from": config.init_teacher, "recipe": asdict(plan.teacher)},
        "config": config.model_dump(include={"distillation", "augmentation", "seed"}),
    }
    return sha256(json.dumps(decides, sort_keys=True, default=str).encode()).hexdigest()


def _fitting(supernet: Supernet, checkpoint: Path, say: Say) -> dict[str, Tensor]:
    """The weights of the same name and shape; none of a damaged file, which is no reason to fail."""
    try:
        earlier = read_weights(checkpoint)
    except StudyError as error:
        say(f"warning: {error}")
        return {}
    own = dict(supernet.named_parameters())
    return {name: weight for name, weight in earlier.items() if name in own and weight.shape == own[name].shape}


def _tell(study: Study, what: str, reason: str, say: Say) -> None:
    note_event(study, Event(0, "supernet", what, reason))
    say(f"the supernet: {what} ({reason})")
