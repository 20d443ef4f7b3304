"""What distillation gains: losses against each other, the loop's speed, how well a supernet ranks and what it saves.

    python -m tools.bench.distil losses --data fashion-mnist --log losses.jsonl
    python -m tools.bench.distil losses --data cifar10 --init-teacher lite0 --log cifar10.jsonl
    python -m tools.bench.distil optimizers --log optimizers.jsonl
    python -m tools.bench.distil throughput
    python -m tools.bench.distil looks --teacher lite0
    python -m tools.bench.distil widths --pictures 54000 --epochs 2 --log widths.jsonl
    python -m tools.bench.distil ranking --log ranking.jsonl
    python -m tools.bench.distil cost --log ranking.jsonl
    python -m tools.bench.distil supernets --ranking ranking.jsonl --log supernets.jsonl

Every finished training is a line of the log. A command that was stopped goes on after the last of them; its table is of
all that are there. The sizes are small so that one slow core finishes; what was seen with which sizes stands in
docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edgetune.config import SearchConfig
from edgetune.data.pictures import Dataset, Pictures
from edgetune.distill.augment import Moves
from edgetune.distill.evaluate import accuracy
from edgetune.distill.features import FEATURE_LOSSES, FeatureDistillation
from edgetune.distill.finalist import distil
from edgetune.distill.loop import Batch, Recipe, train
from edgetune.distill.losses import Distillation
from edgetune.distill.optimizers import parameter_groups
from edgetune.distill.precision import best_device, mixed_precision, place
from edgetune.distill.schedules import share_of_peak
from edgetune.distill.teacher import Teacher
from edgetune.distill.train_teacher import new_teacher
from edgetune.nets.network import Network
from tools.bench.distil_looks import looks
from tools.bench.distil_optimizers import SUBJECTS, optimizers
from tools.bench.distil_sandwich import WAYS, supernets
from tools.bench.distil_setup import Log, load, mean_and_spread, recipe_of, student, taught
from tools.bench.distil_supernet import cost, ranking
from tools.bench.distil_widths import widths

ARMS: dict[str, dict[str, float]] = {
    "labels": {"labels": 1},
    "logits": {"labels": 0.3, "logits": 0.7},
    "decoupled": {"labels": 1, "decoupled": 0.25},
    "dist": {"labels": 1, "dist": 2},
    "logits+dist": {"labels": 0.3, "logits": 0.7, "dist": 1},
    "logits+2dist": {"labels": 0.3, "logits": 0.7, "dist": 2},
    "logits+dist+relational": {"labels": 0.3, "logits": 0.7, "dist": 1, "relational": 0.02},
    "logits+attention": {"labels": 0.3, "logits": 0.7, "attention": 100},
    "logits+hints": {"labels": 0.3, "logits": 0.7, "hints": 1},
    "logits+relational": {"labels": 0.3, "logits": 0.7, "relational": 0.05},
}
TEMPERATURE = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for command in (losses, optimizers, throughput, looks, widths, ranking, cost, supernets):
        sub = commands.add_parser(command.__name__, help=(command.__doc__ or "").splitlines()[0])
        sub.set_defaults(command=command)
        sub.add_argument("--data", default="fashion-mnist")
        sub.add_argument("--teacher", type=Path, help="by default one is trained, or fetched from the cache")
        sub.add_argument("--init-teacher", type=Path, help="a checkpoint to fine-tune one from")
        sub.add_argument("--teacher-epochs", type=float, default=8)
        sub.add_argument("--pictures", type=int, default=8_000, help="of the training split")
        sub.add_argument("--epochs", type=float, default=6)
        sub.add_argument("--learning-rate", type=float, default=0.008)
        sub.add_argument("--seeds", type=int, default=3)
        sub.add_argument("--log", type=Path, default=Path(f"{command.__name__}.jsonl"))
        if command is losses:
            sub.add_argument("--arms", default=",".join(ARMS), help="some of them, with commas")
            sub.add_argument("--with", dest="extras", default="{}", help="fields of the recipe, as JSON")
        if command is optimizers:
            sub.add_argument("--subjects", default=",".join(SUBJECTS), help="some of them, with commas")
            sub.add_argument("--rates", default="0.5,1,2", help="times the usual learning rate")
            sub.add_argument("--optimizers", default="adamw,muon", help="some of adamw, muon, sgd, with commas")
            sub.add_argument("--schedules", default="cosine", help="or linear, or both, with a comma")
        if command is supernets:
            sub.add_argument("--ways", default=",".join(WAYS), help="some of them, with commas")
            sub.add_argument("--seconds", type=float, default=300, help="of the processor, for each supernet")
            sub.add_argument("--networks", type=int, default=20, help="judged")
            sub.add_argument("--ranking", type=Path, default=Path("ranking.jsonl"), help="a log of that command")
        if command in (ranking, cost):
            sub.add_argument("--networks", type=int, default=20 if command is ranking else 50, help="trained apart")
            sub.add_argument(
                "--supernet-epochs", type=float, default=20, help="20 of 8,000: as many steps as a search's"
            )
        if command is ranking:
            sub.add_argument("--tuning-rate", type=float, default=0.1, help="of one epoch more, times the usual one")
        if command is cost:
            usual = SearchConfig()
            sub.add_argument("--trials", type=int, default=usual.trials, help="judged by the supernet's weights")
            sub.add_argument("--finalists", type=int, default=usual.finalists, help="trained after that")
            sub.add_argument("--finalist-epochs", type=float, default=usual.finalist_training.epochs)
    options = parser.parse_args()
    options.command(options)


def losses(options: argparse.Namespace) -> None:
    """Top-1 of one student of fewer than 50,000 parameters, distilled in several ways."""
    dataset = load(options)
    teacher, outputs = taught(options, dataset)
    recipe = replace(recipe_of(options), **json.loads(options.extras))
    log = Log(options.log)
    for seed in range(options.seeds):
        for arm in options.arms.split(","):
            setting = f"{arm} {options.extras}" if options.extras != "{}" else arm
            if log.known(arm=setting, seed=seed):
                continue
            began = time.process_time()
            network = student(dataset, seed)
            distil_arm(ARMS[arm], network, dataset, teacher, outputs, recipe, seed)
            log.add(
                arm=setting,
                seed=seed,
                top1=accuracy(network, dataset.test),
                validation=accuracy(network, dataset.validation),
                seconds=time.process_time() - began,
            )
    print(f"\n{len(dataset.train)} pictures, {options.epochs} epochs, {count(student(dataset, 0))} parameters")
    table(log, "arm", "top1")


def distil_arm(
    weights: dict[str, float],
    network: Network,
    dataset: Dataset,
    teacher: Teacher,
    outputs: np.ndarray,
    recipe: Recipe,
    seed: int,
) -> None:
    inner = {name: weight for name, weight in weights.items() if name in FEATURE_LOSSES}
    shape = {"resolution": dataset.resolution, "channels": dataset.channels}
    distil(
        network,
        dataset.train,
        outputs,
        recipe,
        distillation=Distillation(
            TEMPERATURE, weights={name: weight for name, weight in weights.items() if name not in inner}
        ),
        features=FeatureDistillation(network, teacher, inner, **shape) if inner else None,
        seed=seed,
        stage="student",
    )


def throughput(options: argparse.Namespace) -> None:
    """Pictures a second of our loop beside a plain one, in turns, the teacher cached; with Muon; with a live teacher.

    Where nothing else is said both have AdamW. The live teacher is of the usual size, untrained. Seconds are the
    processor's, one thread: a busy machine changes those least.
    """
    torch.set_num_threads(1)
    dataset = load(options)
    outputs = np.random.default_rng(0).normal(0, 3, (len(dataset.train), len(dataset.classes))).astype(np.float32)
    recipe = replace(recipe_of(options), optimizer="adamw")
    pictures = recipe.epochs * (len(dataset.train) // recipe.batch_size) * recipe.batch_size
    teacher = new_teacher(dataset, None, seed=0, device=best_device())
    loops: dict[str, Callable[..., None]] = {
        "plain": plain,
        "ours": ours,
        "muon": with_muon,
        "live": partial(ours, teacher=teacher),
    }
    rows: list[dict[str, float]] = []
    for turn in range(2 * options.seeds):
        rates = {}
        for name in sorted(loops, reverse=bool(turn % 2)):
            network = student(dataset, 0)
            place(network, best_device())
            began = time.process_time()
            loops[name](network, dataset.train, outputs, recipe)
            rates[name] = pictures / (time.process_time() - began)
        rows.append(rates)
        print(", ".join(f"{name} {rate:.0f}/s" for name, rate in rates.items()), flush=True)
    for name in ("ours", "muon", "live"):
        ratios = [row[name] / row["plain"] for row in rows]
        print(
            f"{name} over plain, median of {len(rows)}: {np.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f})"
        )


def ours(
    network: nn.Module, pictures: Pictures, outputs: np.ndarray, recipe: Recipe, *, teacher: Teacher | None = None
) -> None:
    distillation = Distillation(TEMPERATURE, 0.7)

    def losses(batch: Batch) -> Iterator[Tensor]:
        targets = batch.teacher_logits
        if teacher is not None:
            with torch.no_grad(), mixed_precision(batch.pixels.device):
                targets = teacher.logits(batch.pixels).float()
        assert targets is not None
        with mixed_precision(batch.pixels.device):
            logits = network(batch.pixels)
        yield distillation(logits.float(), targets, batch.labels)

    train(network, losses, pictures, recipe, seed=0, stage="ours", teacher_logits=outputs)


def with_muon(network: nn.Module, pictures: Pictures, outputs: np.ndarray, recipe: Recipe) -> None:
    ours(network, pictures, outputs, replace(recipe, optimizer="muon"))


def plain(network: nn.Module, pictures: Pictures, outputs: np.ndarray, recipe: Recipe) -> None:
    """The same training as one writes it by hand, without resumption, guard, clipping by norm or progress."""
    device = next(network.parameters()).device
    images = torch.from_numpy(np.array(pictures.images)).permute(0, 3, 1, 2)
    labels, targets = torch.from_numpy(np.array(pictures.labels)), torch.from_numpy(outputs)
    steps_per_epoch = len(labels) // recipe.batch_size
    total = round(recipe.epochs * steps_per_epoch)
    optimizer = torch.optim.AdamW(parameter_groups(network, recipe.weight_decay), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: share_of_peak(recipe.schedule, step, total, recipe.warm_up)
    )
    distillation, generator = Distillation(TEMPERATURE, 0.7), torch.Generator().manual_seed(0)
    network.train()
    step = 0
    while step < total:
        order = torch.randperm(len(labels), generator=generator)
        for chosen in order.split(recipe.batch_size)[: min(steps_per_epoch, total - step)]:
            moved = Moves.draw(len(chosen), generator, shift=recipe.shift, flip=recipe.flip)(images[chosen])
            pixels = moved.to(device, torch.float32, memory_format=torch.channels_last)
            with mixed_precision(device):
                logits = network(pixels)
            loss = distillation(logits.float(), targets[chosen].to(device), labels[chosen].to(device))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
            optimizer.step()
            schedule.step()
            step += 1


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def table(log: Log, key: str, value: str) -> None:
    """Mean and spread (the standard deviation over seeds) of each arm, and its gain over the first."""
    names = list(dict.fromkeys(row[key] for row in log.rows))
    results = {name: [100 * row[value] for row in log.rows if row[key] == name] for name in names}
    print("| arm | seeds | top-1 | gain |\n|---|---|---|---|")
    for name, found in results.items():
        gain = np.mean(found) - np.mean(results[names[0]])
        print(f"| {name} | {len(found)} | {mean_and_spread(found)} | {gain:+.2f} |")


if __name__ == "__main__":
    main()
