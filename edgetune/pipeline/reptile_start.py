"""A supernet's start learnt over the tasks in the library: data sets of earlier searches whose pictures are there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from torch import Tensor

from edgetune.config import Distillation, LossWeights
from edgetune.data.load import find_prepared
from edgetune.data.pictures import Dataset
from edgetune.distill.loop import Recipe
from edgetune.distill.reptile import Weights, reptile
from edgetune.nets.elastic import Supernet
from edgetune.pipeline.library import DATA, entries_in, library_folder
from edgetune.pipeline.meta_features import distance
from edgetune.pipeline.plan import Plan
from edgetune.pipeline.run_folder import RunFolder
from edgetune.pipeline.supernet_start import keep_start
from edgetune.pipeline.task import Task
from edgetune.pipeline.unseen import Unseen
from edgetune.reporter import Reporter, Say
from edgetune.search.study import Study
from edgetune.space.mobile import space_for

BATCHES = 8  # that a round learns from
FEWEST = 2  # tasks
CLASSIFIER = "classifier"  # in the names of its weights
TASKS = "reptile"
"""The study's note with the tasks that its start is learnt over: their library may change, a resumed search may not."""


@dataclass(frozen=True)
class Earlier:
    """A task of the library: the run that left it, and its pictures."""

    source: str
    dataset: Dataset


def choose_tasks(study: Study, task: Task, say: Say) -> None:
    """Writes down, once, which tasks the start is learnt over, the most alike first; says so where they are too few.

    A task is a data set of an earlier search whose prepared pictures are still in the cache, of the same space and as
    many channels, under another name than this search's, and without a picture that this search is judged or tested on.
    """
    if not task.config.learning.reptile or study.note(TASKS) is not None:
        return
    entries = entries_in(library_folder(task.config.learning.library), say)
    entries.sort(key=lambda entry: distance(study.note(DATA, {}), entry.data))
    known = ((entry.source, entry.content) for entry in entries if entry.content)
    unseen, found = Unseen(task.dataset), dict[str, Earlier]()
    for earlier in _still_there(known):
        if _fits(earlier.dataset, task) and unseen.by(earlier.dataset):
            found.setdefault(earlier.dataset.name, earlier)
    if len(found) < FEWEST:
        say(
            f"note: no Reptile start: of {len(entries)} searches in the library {len(found)} left pictures of other "
            f"data for the space {task.space.name}, {FEWEST} are needed; the supernet begins as without it"
        )
        found = {}
    study.set_note(TASKS, [[earlier.source, earlier.dataset.content_hash] for earlier in found.values()])


def chosen_tasks(study: Study) -> list[Earlier]:
    """Those of the noted tasks whose pictures are still there."""
    return list(_still_there((source, content) for source, content in study.note(TASKS, [])))


def learn_start(
    supernet: Supernet, study: Study, task: Task, plan: Plan, folder: RunFolder, reporter: Reporter
) -> None:
    """Keeps, once, the weights that a supernet begins with, learnt over the chosen tasks.

    The tasks' labels are learnt, without their teachers, in as many batches as the supernet's own training has. Each
    task has a classifier of its own, which is no part of the start.
    """
    if folder.supernet.exists() or folder.supernet_start.exists():
        return
    chosen = chosen_tasks(study)
    if len(chosen) < FEWEST:
        return
    device = next(supernet.parameters()).device
    tasks = [_labels_alone(task, earlier.dataset) for earlier in chosen]
    start = body_of(supernet)
    for number, one in enumerate(tasks):
        start |= _classifier_of(one.new_supernet().to(device), number)
    batches = plan.supernet.epochs * max(1, len(task.dataset.train) // plan.supernet.batch_size)
    count = max(len(tasks), math.ceil(batches / BATCHES))
    rounds = [partial(_learnt, tasks[i % len(tasks)], i % len(tasks), plan.supernet, i) for i in range(count)]
    found = reptile(start, rounds, progress=partial(reporter.progress, "reptile"))
    weights = {name: found[name].cpu().contiguous() for name in body_of(supernet)}
    learnt_from = [earlier.dataset.content_hash for earlier in chosen]
    what = f"begins with a start learnt over {', '.join(earlier.source for earlier in chosen)}"
    reason = f"Reptile, {count} rounds of {BATCHES} batches"
    keep_start(weights, learnt_from, study, folder, what, reason, reporter.say)


def body_of(supernet: Supernet) -> dict[str, Tensor]:
    """All weights but the classifier's."""
    named = supernet.named_parameters()
    return {name: weight.detach().clone() for name, weight in named if CLASSIFIER not in name}


def _classifier_of(supernet: Supernet, number: int) -> dict[str, Tensor]:
    """Under names of its own among all tasks' weights."""
    named = supernet.named_parameters()
    return {f"{number} {name}": weight.detach().clone() for name, weight in named if CLASSIFIER in name}


def _labels_alone(task: Task, dataset: Dataset) -> Task:
    labels_alone = Distillation(weights=LossWeights(labels=1.0))
    return replace(task, config=task.config.model_copy(update={"distillation": labels_alone}), dataset=dataset)


def _learnt(task: Task, number: int, recipe: Recipe, round_: int, start: Weights) -> Weights:
    """Where a few batches of one task lead, whose random numbers are the round's."""
    supernet = task.new_supernet().to(next(iter(start.values())).device)
    own = {name.removeprefix(f"{number} "): weight for name, weight in start.items()}
    supernet.load_state_dict({name: own[name] for name, _ in supernet.named_parameters()}, strict=False)
    shape = (len(task.dataset.train), len(task.dataset.classes))
    unheard = np.broadcast_to(np.zeros(1, np.float32), shape)  # what a teacher would say has no weight
    epochs = BATCHES / max(1, shape[0] // recipe.batch_size)
    drawn = replace(task, config=task.config.model_copy(update={"seed": task.config.seed * 10_007 + round_}))
    drawn.train_supernet(supernet, unheard, replace(recipe, epochs=epochs))
    return body_of(supernet) | _classifier_of(supernet, number)


def _still_there(known: Iterable[tuple[str, str]]) -> Iterator[Earlier]:
    for source, content in known:
        dataset = find_prepared(content)
        if dataset is not None:
            yield Earlier(source, dataset)


def _fits(dataset: Dataset, task: Task) -> bool:
    alike = dataset.channels == task.dataset.channels and space_for(dataset.resolution) is task.space
    return alike and dataset.name != task.dataset.name
