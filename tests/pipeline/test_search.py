"""The whole way on scikit-learn's digits: what comes out is whole, checked, and the same after a `kill -9`."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgetune.data.load import load_dataset
from edgetune.data.pictures import Pictures
from edgetune.export import host
from edgetune.export.bundle import read_bundle
from edgetune.export.verify import logits_on
from edgetune.search.study import Study
from edgetune.search.trial import Trial
from tools.pi_userland import PiUserland

from .conftest import EDGETUNE, edgetune

TOLERANCE = 1e-4  # of the largest logit


@pytest.fixture(scope="module")
def front(finished_run: Path) -> list[dict[str, Any]]:
    return json.loads((finished_run / "front.json").read_text())["front"]


@pytest.fixture(scope="module")
def test_split() -> Pictures:
    return load_dataset("digits").test


def pixels_of(pictures: Pictures, count: int) -> np.ndarray:
    return np.ascontiguousarray(pictures.images[:count].transpose(0, 3, 1, 2), dtype=np.float32)


def test_front_is_sorted_and_non_dominated(front: list[dict[str, Any]]) -> None:
    assert front
    latency = [network["latency_ms"] for network in front]
    top1 = [network["validation_top1"] for network in front]
    assert latency == sorted(latency)
    assert top1 == sorted(top1)


def test_latencies_say_what_they_are(front: list[dict[str, Any]]) -> None:
    for network in front:
        low, high = network["interval_ms"]
        assert low < network["latency_ms"] < high
        assert network["kind"] == "calibrated"
        assert network["device"] == "rpi4"
        assert network["runtime"] and network["cpu_mhz"] and network["threads"]


def test_accuracy_is_the_artefact_s_own(finished_run: Path, front: list[dict[str, Any]], test_split: Pictures) -> None:
    """The figure in the front, again: raw test pictures through the ONNX file alone."""
    for network in front:
        path = finished_run / artefact(network, "onnx")["path"]
        again = host.top1_of(path, pixels_of(test_split, len(test_split)), test_split.labels)
        assert again == pytest.approx(network["test_top1"], abs=1.5 / len(test_split))
        assert again > 0.8


def test_bundles_are_sealed(finished_run: Path, front: list[dict[str, Any]]) -> None:
    for network in front:
        bundle = read_bundle(finished_run / "bundles" / network["name"])
        assert {artefact.format for artefact in bundle.card.artefacts} >= {"onnx", "tvm"}
        assert bundle.card.test_top1 == network["test_top1"]


def test_finalists_agree_on_the_emulated_pi(
    finished_run: Path, front: list[dict[str, Any]], test_split: Pictures
) -> None:
    """Real ARM code: each ONNX file by the aarch64 onnxruntime, one TVM library."""
    pi, pictures = PiUserland.ready(), pixels_of(test_split, 8)
    models = [finished_run / artefact(network, "onnx")["path"] for network in front]
    for model in models:
        close(logits_on(pi, model, pictures), host.logits_of(model, pictures))
    close(logits_on(pi, models[0].with_name("model.tvm.so"), pictures), host.logits_of(models[0], pictures))


def test_report_can_be_made_again(finished_run: Path) -> None:
    report = finished_run / "report.html"
    before = report.read_bytes()
    printed = edgetune("report", finished_run, "--json").stdout
    assert report.read_bytes() == before
    assert json.loads(printed) == json.loads((finished_run / "front.json").read_text())


def test_killed_and_resumed_is_as_if_never_stopped(
    tmp_path: Path, config: Path, finished_run: Path, front: list[dict[str, Any]]
) -> None:
    run = tmp_path / "run"
    process = subprocess.Popen([EDGETUNE, "search", "--config", config, "--out", run], stderr=subprocess.DEVNULL)
    try:
        wait_for_trials(process, run / "study.db", 5)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    finished = [trial.sample.hash for trial in trials_of(run)]
    assert not (run / "front.json").exists()
    edgetune("search", "--resume", run)
    assert [trial.sample.hash for trial in trials_of(run)][: len(finished)] == finished
    assert [trial.values for trial in trials_of(run)] == [trial.values for trial in trials_of(finished_run)]
    resumed = json.loads((run / "front.json").read_text())["front"]
    assert [(n["name"], n["test_top1"], n["sample"]) for n in resumed] == [
        (n["name"], n["test_top1"], n["sample"]) for n in front
    ]
    exported = next(n for n in range(len(trials_of(run))) if not (run / "bundles" / f"trial-{n:03d}").exists())
    card = json.loads(edgetune("export", run, "--trial", str(exported), "--json").stdout)
    assert card["name"] == f"trial-{exported:03d}"


def artefact(network: dict[str, Any], format: str) -> dict[str, Any]:
    return next(artefact for artefact in network["artefacts"] if artefact["format"] == format)


def close(given: np.ndarray, expected: np.ndarray) -> None:
    assert np.abs(given - expected).max() <= TOLERANCE * np.abs(expected).max()


def trials_of(run: Path) -> list[Trial]:
    with Study.open(run / "study.db", read_only=True) as study:
        return study.trials()


def wait_for_trials(process: subprocess.Popen[bytes], study: Path, count: int) -> None:
    """Until a running search has finished so many trials."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        assert process.poll() is None, "the search ended before it could be killed"
        if study.exists() and len(trials_of(study.parent)) >= count:
            return
        time.sleep(0.05)
    pytest.fail("the search made no trials")
