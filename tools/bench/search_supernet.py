"""Search strategies side by side on the supernet of a finished run: networks judged on real pictures.

    python -m tools.bench.search_supernet runs/fashion-mnist-rpi4-1 --methods guided,nsga2,random --seeds 3 --trials 120

Top-1 is that of inherited weights on validation pictures, latency is predicted: a search's own objectives, judged as it
judges them. The true front is not known, so that regret is 1 - hypervolume / hypervolume of all that was found by all
methods together, in percent; the reference point is the worst figure of the random design that each search begins with.
Each search is a study in `--folder`: a command that was stopped goes on, and one with more seeds or trials adds them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from edgetune.pipeline.judging import Judge
from edgetune.pipeline.search import resume
from edgetune.reporter import Reporter
from edgetune.search.catalogue import STRATEGIES, make_strategy
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from tools.bench.search import BUDGETS, heading, row
from tools.bench.true_front import TrueFront

DESIGN = 20  # trials that no strategy has learnt much from yet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run's folder")
    parser.add_argument("--methods", default="guided,nsga2,random", help=", ".join(STRATEGIES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=120)
    parser.add_argument("--folder", type=Path, default=Path("search_supernet"))
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    judge = judge_of(options.run)
    names = [(method, seed) for seed in range(options.seeds) for method in options.methods.split(",")]
    searches = {name: search(judge, *name, options.trials, options.folder) for name in names}
    table(judge, searches, options.trials)


def judge_of(folder: Path) -> Judge:
    """With the run's supernet, which is trained already; its teacher and the teacher's outputs are in the cache."""
    run = resume(folder, Reporter())
    plan = run.plan()
    return run.judge(plan, run.teacher_outputs(run.teacher(plan)))


def search(judge: Judge, method: str, seed: int, trials: int, folder: Path) -> list[Trial]:
    path = folder / f"{method}-{seed}.db"
    with Study.open(path) if path.exists() else Study.create(path, {}) as study:
        found = run_search(study, make_strategy(method, judge.task.problem, seed=seed), judge, trials=trials)
    print(f"{method}, seed {seed}: {len(found)} trials", file=sys.stderr, flush=True)
    return found


def table(judge: Judge, searches: dict[tuple[str, int], list[Trial]], trials: int) -> None:
    """A row a method: mean regret with its standard error at each budget."""
    points = {name: judge.task.problem.points(found) for name, found in searches.items()}
    reference = np.vstack([found[:DESIGN] for found in points.values()]).max(axis=0)
    known = TrueFront.of(np.vstack(list(points.values())), reference)
    budgets = [*(budget for budget in BUDGETS if budget < trials), trials]
    print(heading(budgets))
    for method in dict.fromkeys(method for method, _ in searches):
        regrets = np.array(
            [[known.regret(p[:n]) for n in budgets] for (name, _), p in points.items() if name == method]
        )
        print(row(method, regrets))


if __name__ == "__main__":
    main()
