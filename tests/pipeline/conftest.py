"""One small search, made once for all workers: digits, three finalists, every step real."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from edgetune.config import SearchConfig
from edgetune.data.load import load_dataset
from edgetune.latency.predictor import Predictor
from edgetune.pipeline.plan import Costs
from edgetune.pipeline.task import Task

EDGETUNE = Path(sys.executable).with_name("edgetune")
CONFIG = """
data = "digits"
trials = 24
finalists = 3
formats = "onnx,int8,tvm"

[teacher_training]
epochs = 8
learning_rate = 0.005
batch_size = 64

[supernet_training]
epochs = 8
learning_rate = 0.005
batch_size = 64

[finalist_training]
epochs = 8
learning_rate = 0.005
batch_size = 64
"""

COSTS = Costs(
    teacher_epoch=50,
    supernet_epoch=80,
    finalist_epoch=20,
    finalists_at_once=2,
    teacher_outputs=20,
    trial=0.4,
    export=5,
    clocking=7,
    trial_epoch=10,
)
"""Of a machine that does not exist; what the tests expect follows from these."""


@pytest.fixture(scope="module")
def task() -> Task:
    return Task(SearchConfig(data="digits"), load_dataset("digits"), Predictor.load("rpi4"))


def edgetune(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a command that must succeed."""
    done = subprocess.run([EDGETUNE, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this test run see."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def config(shared: Path) -> Path:
    file = shared / "search.toml"
    file.write_text(CONFIG)
    return file


@pytest.fixture(scope="session")
def finished_run(shared: Path, config: Path) -> Path:
    """The run folder of a finished search. Tests must not change it."""
    run = shared / "finished-run"
    with FileLock(shared / "finished-run.lock"):
        if not (run / "report.html").exists():
            edgetune("search", "--config", config, "--out", run)
    return run
