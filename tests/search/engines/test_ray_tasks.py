"""A search on a cluster whose machines come and go."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from edgetune.errors import EngineError, MissingDependencyError
from edgetune.search.engines.base import EvaluatorSource, Job
from edgetune.search.engines.ray_tasks import RayTasks, check_cluster
from edgetune.search.engines.worker_process import Limits
from edgetune.search.nsga2 import NSGA2
from edgetune.search.run import run_search
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from tests.search.engines import toys

TRIALS, BATCH = 24, 6


class Saboteur(Thread):
    """Kills a node that has just begun a trial."""

    def __init__(self, cluster: Any, begun: Path) -> None:
        super().__init__()
        self.cluster, self.begun = cluster, begun
        self.lost: str | None = None

    def run(self) -> None:
        workers = {str(node.all_processes["raylet"][0].process.pid): node for node in self.cluster.worker_nodes}
        while self.lost is None:
            files = sorted(file.name for file in self.begun.iterdir())
            _, sample, raylet = files[-1].split("-") if len(files) > BATCH else ("", "", "")
            if raylet in workers:
                self.cluster.remove_node(workers[raylet], allow_graceful=False)
                self.lost = sample
            time.sleep(0.02)


def test_a_node_dies_and_another_joins_but_the_study_ends_complete(cluster: Any, tmp_path: Path) -> None:
    with Study.create(tmp_path / "plain.db", {}) as plain:
        expected = run_search(plain, NSGA2(toys.PROBLEM, seed=2), toys.noisy(), trials=TRIALS, seed=2, batch=BATCH)
    begun = tmp_path / "begun"
    begun.mkdir()
    source = EvaluatorSource(f"{toys.HERE}:logged", {"folder": str(begun), "pause": 0.5})
    with (
        Study.create(tmp_path / "study.db", {}) as study,
        RayTasks(source, address=cluster.address) as engine,
    ):
        assert engine.workers == 3
        saboteur = Saboteur(cluster, begun)
        saboteur.start()

        def another_joins(trial: Trial) -> None:
            if len(study) == TRIALS // 2:
                cluster.add_node(num_cpus=1, object_store_memory=80 << 20)

        trials = run_search(
            study, NSGA2(toys.PROBLEM, seed=2), engine, trials=TRIALS, seed=2, batch=BATCH, on_trial=another_joins
        )
        saboteur.join()
        assert study.trials() == trials == expected
    times = Counter(file.name.split("-")[1] for file in begun.iterdir())
    assert set(times) == {trial.sample.hash for trial in trials}
    assert saboteur.lost in times, "a trial ran on the node that died"  # where it had not ended, it was begun again


def test_a_trial_that_misbehaves_fails_and_is_not_begun_again(cluster: Any) -> None:
    source = EvaluatorSource(f"{toys.HERE}:misbehaving")
    with RayTasks(source, address=cluster.address, workers=1, limits=Limits(seconds=1.5)) as engine:
        said = []
        for width in (16, 32, 72):
            engine.submit(Job(0, toys.SPACE.sample({"width": width, "op": "a", "lr": 0.1}), seed=0))
            said.append(engine.next()[1].error)
    assert said == ["took longer than 1.5 s", "the worker was killed by SIGKILL; is the machine out of memory?", None]


def test_a_cluster_that_is_not_there() -> None:
    with pytest.raises(EngineError, match=r"no Ray cluster answers: .*refused"):
        RayTasks(EvaluatorSource(f"{toys.HERE}:noisy"), address="127.0.0.1:1")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", r"no Ray cluster answers: .*refused"),
        ("ray://127.0.0.1:1", r"no Ray cluster answers: .*refused"),
        ("127.0.0.1:99999", "no Ray cluster answers"),
        ("127.0.0.1", "HOST:6379"),
        ("127.0.0.1:", "HOST:6379"),
        ("127.0.0.1:port", "HOST:6379"),
    ],
)
def test_an_address_is_tried_without_connecting(address: str, said: str) -> None:
    with pytest.raises(EngineError, match=f"^{address}: .*{said}"):
        check_cluster(address)
    check_cluster(None)
    check_cluster("auto")


def test_without_ray_the_mend_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"edgetune\[ray\]"):
        RayTasks(EvaluatorSource(f"{toys.HERE}:noisy"))
    with pytest.raises(MissingDependencyError, match=r"edgetune\[ray\]"):
        check_cluster(None)
