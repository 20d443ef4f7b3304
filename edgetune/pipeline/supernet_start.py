"""Where the training of a supernet begins: where an earlier one ended, at its weights, or at random ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np
from torch import Tensor

from edgetune.data.load import find_prepared
from edgetune.distill.training_state import identity_of, read_weights
from edgetune.errors import StorageError, StudyError
from edgetune.files import atomic_write
from edgetune.insight.state import note_event
from edgetune.nets.elastic import Supernet
from edgetune.pipeline.library import BEGUN, TRAINING, Entry, entry_of
from edgetune.pipeline.plan import Plan
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.task import Task
from edgetune.pipeline.unseen import Unseen
from edgetune.report.explanation import Event
from edgetune.reporter import Say
from edgetune.search.study import Study

HALF = 0.5  # the share of a supernet's weights that must fit


def begin_supernet(
    supernet: Supernet,
    earlier: list[Entry],
    study: Study,
    task: Task,
    plan: Plan,
    outputs: np.ndarray,
    folder: RunFolder,
    say: Say,
) -> None:
    """Starts a supernet from an earlier study's, once; what is taken is copied, so that a resumed run does the same.

    Where the earlier training was the same in everything that decides weights, this one goes on from its checkpoint,
    which is its end unless it was stopped; the board, the limits and the strategy decide none of them. Else the weights
    are those of the first earlier supernet of which half or more fit by name and shape, and are trained as any others.
    None is used that knows a picture which this search is judged or tested on.

    Parameters
    ----------
    outputs
        The teacher's logits on the training pictures, float32 (N, classes).
    """
    from safetensors.torch import load_file

    if not folder.supernet.exists():
        training = training_of(task, plan, outputs)
        study.set_note(TRAINING, training)  # of the checkpoint that is made now: a given teacher may change later
        if not folder.supernet_start.exists():
            study.set_note(BEGUN, [])
            left = [now for entry in earlier if (now := _still_there(entry, say)) is not None]
            left = _fair(left, Unseen(task.dataset), say)
            identity = identity_of(supernet, plan.supernet.key, task.config.seed, task.dataset.train.labels)
            for entry in [entry for entry in left if entry.training == training]:
                if _take_over(entry, identity, study, folder, say):
                    return
                left.remove(entry)
            any(_take_weights(entry, supernet, study, folder, say) for entry in left)
    if folder.supernet_start.exists():
        supernet.load_state_dict(load_file(folder.supernet_start), strict=False)


def _still_there(entry: Entry, say: Say) -> Entry | None:
    """What is in an earlier run's folder by now; nothing where that is gone, damaged, or another run's."""
    run = Path(entry.run)
    if not entry.run or not RunFolder(run).supernet.is_file():
        return None
    try:
        now = entry_of(run)
    except (StudyError, StorageError) as error:
        say(f"warning: {error}")
        return None
    if now.created_at != entry.created_at if entry.created_at else now.training != entry.training:
        say(f"the supernet of {entry.source} is gone: in {run} is another run by now")
        return None
    return now


def _fair(entries: list[Entry], unseen: Unseen, say: Say) -> list[Entry]:
    """Those whose supernets know none of this search's validation and test pictures, nor did what they began with."""
    fair = []
    for entry in entries:
        known = [find_prepared(content) for content in entry.learnt_from]
        if not known or None in known:
            reason = "the pictures that it has learnt from are not known any more"
        elif not all(unseen.by(dataset) for dataset in known if dataset is not None):
            reason = "it has learnt from pictures that this search is judged or tested on"
        else:
            fair.append(entry)
            continue
        say(f"the supernet of {entry.source} is not used: {reason}")
    return fair


def _take_over(entry: Entry, identity: str, study: Study, folder: RunFolder, say: Say) -> bool:
    """Copies a checkpoint that the training can go on from."""
    checkpoint = RunFolder(Path(entry.run)).supernet
    try:
        read_weights(checkpoint, identity)
    except StudyError as error:
        say(f"warning: {error}")
        return False
    study.set_note(BEGUN, entry.learnt_from)
    with atomic_write(folder.supernet) as aside:
        shutil.copyfile(checkpoint, aside)
    _tell(study, f"that of {entry.source}", "it was trained in the same way", say)
    return True


def _take_weights(entry: Entry, supernet: Supernet, study: Study, folder: RunFolder, say: Say) -> bool:
    """Keeps the weights that fit, where they are half or more."""
    weights = _fitting(supernet, RunFolder(Path(entry.run)).supernet, say)
    share = sum(map(Tensor.numel, weights.values())) / sum(map(Tensor.numel, supernet.parameters()))
    if share < HALF:
        return False
    what, reason = f"begins with the weights of {entry.source}", f"{share:.0%} of them fit"
    keep_start(weights, entry.learnt_from, study, folder, what, reason, say)
    return True


def keep_start(
    weights: Mapping[str, Tensor],
    learnt_from: Sequence[str],
    study: Study,
    folder: RunFolder,
    what: str,
    reason: str,
    say: Say,
) -> None:
    """Has a supernet begin with these weights, which know the pictures of such content hashes, and says so."""
    from safetensors.torch import save_file

    study.set_note(BEGUN, list(learnt_from))
    with atomic_write(folder.supernet_start) as aside:
        save_file(dict(weights), aside)
    _tell(study, what, reason, say)


def training_of(task: Task, plan: Plan, outputs: np.ndarray) -> str:
    """A hash of what decides a supernet's weights, but for what it began with.

    A teacher is told by its outputs: the files at its path may be replaced.
    """
    config = task.config
    decides = {
        "data": task.dataset.content_hash,
        "space": repr(task.space),  # its pools may differ between versions
        "supernet": asdict(plan.supernet),
        "teacher": sha256(np.ascontiguousarray(outputs).tobytes()).hexdigest(),
        "sandwich": config.supernet_training.model_dump(include={"in_place", "shrinking"}),
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
