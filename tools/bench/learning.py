"""Searches that learn: importance, adaptive spaces and warm starts against the same search without them.

    python -m tools.bench.learning importance --seeds 20
    python -m tools.bench.learning adaptive --seeds 20
    python -m tools.bench.learning adaptive --seeds 5 --run runs/fashion-mnist-rpi4-1
    python -m tools.bench.learning warm --table nasbench201.csv.gz --seeds 20
    python -m tools.bench.learning encoder --table nasbench201.csv.gz --seeds 10
    python -m tools.bench.learning reptile --seeds 10

The synthetic space has 20 choices of 5 options, of which 6 matter: error and cost are sums of tables with weights that
fall by a quarter from one to the next (in the opposite order for the cost), and of one interaction; which option is
good is drawn anew for each seed. Its front is known by looking at all 15,625 combinations of the 6.
On NAS-Bench-201 the past is a study of CIFAR-10 error against Pixel 3 latency, the new one of CIFAR-10 error against
Raspberry Pi 4 latency, among the cells that were measured there. Regret is 1 - hypervolume / hypervolume of the true
front, in percent.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgetune.latency.reference.nasbench201 import OPERATORS
from edgetune.search.adaptive import AdaptiveSpace
from edgetune.search.catalogue import make_strategy
from edgetune.search.importance import importance
from edgetune.search.memory import Past
from edgetune.search.narrowing import narrowed
from edgetune.search.objective import Objective
from edgetune.search.pareto import hypervolume
from edgetune.search.problem import Problem
from edgetune.search.strategy import Strategy
from edgetune.search.trial import Trial
from edgetune.search.warm_start import WarmStart
from edgetune.space.parameters import Choice, Sample, Space
from tools.bench.nasbench201 import LABELS, read_figures, true_front
from tools.bench.true_front import TrueFront

if TYPE_CHECKING:
    from tools.bench.learning_mobile import Mobile

PARAMETERS, MATTER, OPTIONS = 20, 6, 5
LETTERS = tuple("abcde")
STARTS = ("cold", "cold, other luck", "related past", "shuffled past", "turned past")
GOAL, MOST = 1.0, 600  # percent of regret, and trials after which a search that has not reached it counts as done

Evaluate = Callable[[Sample], Mapping[str, float]]


@dataclass(frozen=True)
class Task:
    """A problem with two minimised objectives, its answer, and its true front."""

    problem: Problem
    evaluate: Evaluate
    front: TrueFront

    def regret(self, trials: Sequence[Trial]) -> float:
        return self.front.regret(self.problem.points([trial for trial in trials if trial.state == "done"]))


class Synthetic:
    """Which parameters matter is drawn too, so that no order of the labels helps."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.labels = [f"p{i:02d}" for i in rng.permutation(PARAMETERS)[:MATTER]]
        self.weights = 0.75 ** np.arange(MATTER)
        self.error = np.array([rng.permutation(OPTIONS) / (OPTIONS - 1) for _ in range(MATTER)])
        self.cost = np.array([rng.permutation(OPTIONS) / (OPTIONS - 1) for _ in range(MATTER)])
        combinations = np.array(list(product(range(OPTIONS), repeat=MATTER)))
        self.figures = np.array([self.of(places) for places in combinations])
        self.combinations = combinations
        names = tuple(f"p{i:02d}" for i in range(PARAMETERS))
        space = Space("synthetic", tuple(Choice(name, LETTERS) for name in names))
        true_front = TrueFront.of(self.figures, self.figures.max(axis=0) * 1.01)
        objectives = (Objective("error"), Objective("cost"))
        self.task = Task(Problem(space, objectives), self.evaluate, true_front)

    def of(self, places: np.ndarray) -> tuple[float, float]:
        errors, costs = (table[np.arange(MATTER), places] for table in (self.error, self.cost))
        return (
            float(self.weights @ errors + 0.3 * errors[0] * errors[1]),
            float(self.weights[::-1] @ costs + 0.3 * costs[-1] * costs[-2]),
        )

    def evaluate(self, sample: Sample) -> dict[str, float]:
        error, cost = self.of(np.array([LETTERS.index(str(sample[label])) for label in self.labels]))
        return {"error": error, "cost": cost}

    def true_effects(self, column: int) -> np.ndarray:
        """Total-effect indices of the 6 by enumeration: the mean variance along each of them."""
        grid = self.figures[:, column].reshape((OPTIONS,) * MATTER)
        return np.array([grid.var(axis=axis).mean() for axis in range(MATTER)])

    def loses(self, space: Space) -> bool:
        """Whether the space lacks a point of the true front."""
        allowed = [[LETTERS.index(o) for o in space.by_label[label].options] for label in self.labels]  # type: ignore[union-attr]
        inside = np.all([np.isin(self.combinations[:, i], options) for i, options in enumerate(allowed)], axis=0)
        true_front = self.task.front
        return hypervolume(self.figures[inside], true_front.reference) < true_front.volume * (1 - 1e-9)


def run(task: Task, strategy: Strategy, trials: int, goal: float | None = None) -> list[Trial]:
    """One search, one sample at a time; it ends early once the regret is at most `goal`."""
    done: list[Trial] = []
    while len(done) < trials and (samples := strategy.ask(1)):
        figures = {**task.problem.cheap_values(samples[0]), **task.evaluate(samples[0])}
        trial = Trial(len(done), samples[0], figures, task.problem.state(figures), seed=0)
        strategy.tell([trial])
        done.append(trial)
        if goal is not None and trial.state == "done" and task.regret(done) <= goal:
            break
    return done


def bench_importance(seeds: range, strategy: str) -> None:
    """Kendall's τ between the true order of the 6 and the estimated one, and how often the 6 come first."""
    from scipy.stats import kendalltau

    views: dict[str, list[float]] = {"variance": [], "ped_anova": []}
    first: dict[str, list[float]] = {"variance": [], "ped_anova": []}
    for seed in seeds:
        synthetic = Synthetic(seed)
        trials = run(synthetic.task, make_strategy(strategy, synthetic.task.problem, seed=seed), 200)
        found = importance(synthetic.task.problem, trials)
        assert found is not None
        for view in views:
            for column, name in enumerate(("error", "cost")):
                shares = getattr(found, view)[name]
                estimated = [shares[label] for label in synthetic.labels]
                views[view].append(kendalltau(synthetic.true_effects(column), estimated).statistic)
                ranked = sorted(shares, key=lambda label: -shares[label])[:MATTER]
                first[view].append(len(set(ranked) & set(synthetic.labels)) / MATTER)
        print(
            f"seed {seed}: " + ", ".join(f"{view} {np.mean(taus[-2:]):.2f}" for view, taus in views.items()), flush=True
        )
    print(f"importance after 200 trials of {strategy}, {len(seeds)} seeds, both objectives")
    for view in views:
        taus, hits = np.array(views[view]), np.mean(first[view])
        print(
            f"{view:10s} Kendall's τ {taus.mean():.3f} (lowest {taus.min():.2f}), of the 6 in the first 6: {hits:.0%}"
        )


def bench_adaptive(seeds: range, strategy: str, folder: Path | None) -> None:
    """Regret after 200 trials with and without adapting; on the mobile space where a run's folder is given."""
    mobile: Mobile | None = None
    if folder:
        from tools.bench.learning_mobile import Mobile

        mobile = Mobile(folder)
    rows, lost, changes, spent = [], 0, [], 0.0
    for seed in seeds:
        bed = mobile or Synthetic(seed)
        task = bed.task
        fixed = run(task, make_strategy(strategy, task.problem, seed=seed), 200)
        adaptive = AdaptiveSpace(make_strategy(strategy, task.problem, seed=seed))
        began = time.process_time()
        adapted = run(task, adaptive, 200)
        spent += time.process_time() - began
        rows.append([task.regret(fixed[:100]), task.regret(adapted[:100]), task.regret(fixed), task.regret(adapted)])
        loses = bed.loses(narrowed(task.problem.space, adaptive.allowed))
        lost += loses
        changes.append(len(adaptive.changes))
        print(f"seed {seed}: fixed {rows[-1][2]:.2f}, adaptive {rows[-1][3]:.2f}, lost an optimum: {loses}", flush=True)
    table = np.array(rows)
    means, errors = table.mean(axis=0), table.std(axis=0) / np.sqrt(len(seeds))
    space = "the mobile space" if mobile else "20 choices of which 6 matter"
    print(f"{strategy} on {space}, {len(seeds)} seeds: regret in percent, mean ± standard error")
    for trials, (a, b) in ((100, (0, 1)), (200, (2, 3))):
        print(
            f"{trials} trials: fixed {means[a]:.2f} ± {errors[a]:.2f}, adaptive {means[b]:.2f} ± {errors[b]:.2f}, "
            f"ratio {means[b] / means[a]:.2f}"
        )
    print(f"seeds whose final space lacks a point of the true front: {lost}; changes a run: {np.mean(changes):.1f}")
    print(f"CPU time of an adaptive run: {spent / len(seeds):.1f} s")


def cells(table: Path, latency: str) -> Task:
    """CIFAR-10 error against latency on one device; cells without a value are known to be outside without a trial."""
    figures = read_figures(table, latency)

    def of(sample: Sample) -> tuple[float, float] | None:
        return figures.get(tuple(str(sample[label]) for label in LABELS))

    def evaluate(sample: Sample) -> dict[str, float]:
        found = of(sample)
        assert found is not None
        return {"error": found[0], "latency_ms": found[1]}

    space = Space("nasbench201", tuple(Choice(label, OPERATORS) for label in LABELS))
    unmeasured = Objective("unmeasured", limit=0.0, cheap=True, optimize=False)
    problem = Problem(
        space,
        (Objective("error"), Objective("latency_ms"), unmeasured),
        lambda sample: {"unmeasured": float(of(sample) is None)},
    )
    return Task(problem, evaluate, true_front(figures))


def bench_warm(seeds: range, strategy: str, table: Path, past_trials: int) -> None:
    """Evaluations to 1 % regret: cold, with a related past, with one whose accuracies are shuffled or turned around.

    The control is a second cold search with another random stream: by so much do two searches differ by luck alone.
    """
    old, new = cells(table, "pixel3_ms"), cells(table, "rpi4_ms")
    counts = []
    for seed in seeds:
        past = run(old, make_strategy(strategy, old.problem, seed=1000 + seed), past_trials)
        figures = [{name: (trial.values or {})[name] for name in ("error", "latency_ms")} for trial in past]
        order = np.random.default_rng(seed).permutation(len(past))
        shuffled = [{**known, "error": figures[i]["error"]} for known, i in zip(figures, order, strict=True)]
        worst = max(known["error"] for known in figures)
        turned = [{**known, "error": worst - known["error"]} for known in figures]
        row = [len(run(new, make_strategy(strategy, new.problem, seed=s), MOST, GOAL)) for s in (seed, 5000 + seed)]
        for told in (figures, shuffled, turned):
            source = Past("pixel3", tuple(trial.sample.values for trial in past), tuple(told))
            warm = WarmStart(make_strategy(strategy, new.problem, seed=seed), [source])
            row.append(len(run(new, warm, MOST, GOAL)))
        counts.append(row)
        print(f"seed {seed}: " + ", ".join(f"{name} {n}" for name, n in zip(STARTS, row, strict=True)), flush=True)
    evaluations = np.array(counts, dtype=float)
    ratios = evaluations / evaluations[:, :1]
    print(
        f"{strategy}, {len(seeds)} seeds, a past of {past_trials} trials: "
        f"evaluations to {GOAL:g} % regret ({MOST} at most)"
    )
    for place, name in enumerate(STARTS):
        column, ratio = evaluations[:, place], ratios[:, place]
        print(
            f"{name:16s} mean {column.mean():6.1f} ± {column.std() / np.sqrt(len(column)):.1f}, of the cold mean "
            f"{column.mean() / evaluations[:, 0].mean():.2f}; of its twin at most {ratio.max():.2f}, "
            f"more than 1.1 in {(ratio > 1.1).sum()} of {len(ratio)} seeds"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["importance", "adaptive", "warm", "encoder", "reptile"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--strategy", default="nsga2")
    parser.add_argument("--table", type=Path, help="nasbench201.csv.gz")
    parser.add_argument("--run", type=Path, help="a finished run's folder, for the mobile space")
    parser.add_argument("--past", type=int, default=500, help="trials of the earlier study")
    arguments = parser.parse_args()
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.what == "importance":
        bench_importance(seeds, arguments.strategy)
    elif arguments.what == "adaptive":
        bench_adaptive(seeds, arguments.strategy, arguments.run)
    elif arguments.what == "reptile":
        from tools.bench.learning_reptile import bench_reptile

        bench_reptile(seeds)
    elif arguments.table is None:
        parser.error(f"{arguments.what} needs --table")
    elif arguments.what == "encoder":
        from tools.bench.learning_encoder import bench_encoder

        bench_encoder(seeds, arguments.table)
    else:
        bench_warm(seeds, arguments.strategy, arguments.table, arguments.past)


if __name__ == "__main__":
    main()
