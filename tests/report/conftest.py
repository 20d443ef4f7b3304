"""Summaries to draw. Invented figures of a plausible shape: they test the page and say nothing about any network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import moocore
import numpy as np
import pytest

from edgetune.latency.from_architecture import graph_of
from edgetune.latency.prediction import KernelCost, Prediction, ResultKind
from edgetune.report.explanation import Attribution, Difference, Event, Explanation, Flip, Insight, Neighbour
from edgetune.report.summary import (
    Agreement,
    Artefact,
    Conditions,
    Convergence,
    Curve,
    Data,
    Finalist,
    Limits,
    Omission,
    Run,
    RunSummary,
    Stage,
    Teacher,
    TrialPoint,
)
from edgetune.space.mobile import MOBILE_SMALL
from edgetune.space.parameters import Sample

CONDITIONS = Conditions("calibrated", "rpi4", "tflite", "2.7.1", "fp32", 4, 1500)
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
REFERENCE_MS, REFERENCE_TOP1 = 4.0, 0.5
FAR = "28-pixel networks lie outside what was measured (96 to 300 pixels)"


def predict(sample: Sample, kind: ResultKind = "calibrated") -> Prediction:
    """A made-up latency, in proportion to MACs and kernels."""
    architecture = MOBILE_SMALL.architecture(sample, channels=1, resolution=28, classes=10)
    costs = [(kernel, 0.004 + kernel.macs / 2.5e6) for kernel in graph_of(architecture).kernels]
    total = sum(ms for _, ms in costs)
    kernels = tuple(KernelCost(k.name, k.kind, k.output, k.macs, ms, ms / total) for k, ms in costs)
    c, scale = CONDITIONS, 1.0 if kind == "calibrated" else 1.1
    return Prediction(
        "network",
        total * scale,
        (total * scale * 0.85, total * scale * 1.2),
        kind,
        c.device,
        c.runtime,
        c.runtime_version,
        c.precision,
        c.threads,
        c.cpu_mhz,
        kernels,
        (FAR,) if kind == "calibrated" else (),
    )


def make_trial(number: int, rng: np.random.Generator) -> tuple[TrialPoint, Sample]:
    sample = MOBILE_SMALL.space.draw(rng)
    graph = graph_of(MOBILE_SMALL.architecture(sample, channels=1, resolution=28, classes=10))
    latency = predict(sample)
    top1 = 0.925 - 0.05 / (1 + graph.macs / 1e6) - rng.exponential(0.012)
    point = TrialPoint(
        number=number,
        state="done",
        validation_top1=float(top1),
        latency_ms=latency.latency_ms,
        interval_ms=latency.interval_ms,
        macs=graph.macs,
        parameters=graph.parameters,
        size_bytes=4 * graph.parameters,
        peak_memory_bytes=graph.peak_memory_bytes("fp32"),
        feasible=latency.latency_ms <= 3.0,
        sample=dict(sample.values),
    )
    return point, sample


def make_finalist(name: str, trial: TrialPoint, sample: Sample, *, measured: bool) -> Finalist:
    architecture = MOBILE_SMALL.architecture(sample, channels=1, resolution=28, classes=10)
    graph, top1 = graph_of(architecture), min(0.99, (trial.validation_top1 or 0) + 0.015)

    def artefact(kind: str, file: str, size: int, note: str = "") -> Artefact:
        digest = hashlib.sha256(f"{name}/{file}".encode()).hexdigest()
        agreements = (
            Agreement("torch, x86-64", 2000, 3e-6, 1.0),
            Agreement("emulated rpi4, onnxruntime", 200, 1.7e-5, 1.0),
        )
        return Artefact(kind, f"bundles/{name}/{file}", size, digest, top1, agreements, note)

    return Finalist(
        name=name,
        trial=trial.number,
        sample=dict(sample.values),
        architecture=architecture,
        validation_top1=top1 + 0.002,
        test_top1=top1,
        latencies=(predict(sample), predict(sample, "measured")) if measured else (predict(sample),),
        macs=graph.macs,
        parameters=graph.parameters,
        peak_memory_bytes=graph.peak_memory_bytes("fp32"),
        artefacts=(
            artefact("onnx", "model.onnx", 4 * graph.parameters + 9000),
            artefact(
                "tvm", "model.tvm.so", 5 * graph.parameters + 40_000, "untuned, several times slower than ONNX Runtime"
            ),
        ),
        omitted=(Omission("int8", "slower than fp32 (hard-swish)"),),
    )


def make_insight(finalists: Sequence[Finalist]) -> Insight:
    labels = [parameter.label for parameter in MOBILE_SMALL.space.parameters]
    shares = {label: 1 / len(labels) for label in labels}
    return Insight(
        importance={
            view: {"top1": shares, "latency_ms": dict(reversed(shares.items()))}
            for view in ("ped_anova", "variance", "local")
        },
        rank_correlation={"top1": 0.6, "latency_ms": 0.9},
        explanations=tuple(explain(finalist) for finalist in finalists),
        events=(Event(60, "freeze", "head.activation at relu", "the whole front has it"),),
    )


def explain(finalist: Finalist) -> Explanation:
    attributions = tuple(
        Attribution(label, value, 0.01 / (n + 1) * (-1) ** n, 0.3 / (n + 1) * (-1) ** (n // 2))
        for n, (label, value) in enumerate(finalist.sample.items())
    )
    return Explanation(
        trial=finalist.trial,
        base_top1=0.87,
        base_ms=2.2,
        attributions=attributions,
        flips=(Flip("stage1.depth", 2, 1, -0.004, -0.5, -0.006, -0.44), Flip("stem.width", 8, 12, 0.002, 0.3)),
        cheaper=Neighbour(3, -0.01, -0.4, (Difference("stage1.block2.kind", "fused", None),)),
        better=None,
    )


def make_summary(
    *, trials: int = 300, finalists: int = 7, failed: int = 4, measured: bool = False, seed: int = 0
) -> RunSummary:
    rng = np.random.default_rng(seed)
    drawn = [make_trial(number, rng) for number in range(trials)]
    objectives = np.array([[p.latency_ms, 1 - (p.validation_top1 or 0)] for p, _ in drawn]).reshape(-1, 2)
    feasible = np.array([p.feasible for p, _ in drawn], bool)
    front = np.flatnonzero(feasible)[moocore.is_nondominated(objectives[feasible])] if trials else np.array([], int)
    points = [p if i not in front else replace(p, on_front=True) for i, (p, _) in enumerate(drawn)]
    reference = [REFERENCE_MS, 1 - REFERENCE_TOP1]
    volumes = [
        float(moocore.hypervolume(objectives[: n + 1][feasible[: n + 1]].reshape(-1, 2), ref=reference))
        for n in range(trials)
    ]
    chosen = sorted(front, key=lambda i: objectives[i][0])[:: max(1, len(front) // max(1, finalists))][:finalists]
    lost = tuple(
        TrialPoint(number=trials + n, state="failed", error="training ran into NaN twice") for n in range(failed)
    )
    made = tuple(
        make_finalist(f"net-{'abcdefghijkl'[n]}", points[i], drawn[i][1], measured=measured and n % 2 == 0)
        for n, i in enumerate(chosen)
    )
    return RunSummary(
        run=Run(
            "2026-11-24-rpi4",
            "0.1.0",
            datetime(2026, 11, 24, 10, 31, tzinfo=UTC),
            0,
            "edgetune search --device rpi4 --max-latency 3ms --min-accuracy 0.88",
            "mobile-small",
            "nsga2",
            {"population": 20, "trials": 300, "budget_s": 1200.0, "supernet.epochs": 12, "quantise": True},
            ("INT8 was tried for every finalist and kept for none.",),
        ),
        data=Data(
            "fashion-mnist",
            CLASSES,
            1,
            28,
            54_000,
            6_000,
            10_000,
            "MIT",
            "5f2a" * 16,
            ("2 pictures stand twice in train",),
        ),
        teacher=Teacher("wide-resnet-16-4", 0.9437, 78_400_000, 2_750_000, "trained here, then read from the cache"),
        limits=Limits(max_latency_ms=3.0, min_top1=0.88),
        conditions=CONDITIONS,
        trials=(*points, *lost),
        convergence=Convergence(
            REFERENCE_MS,
            REFERENCE_TOP1,
            tuple(range(trials)),
            tuple(volumes),
            (Curve("seed-1", tuple(0.9 * volume for volume in volumes)),),
        ),
        finalists=made,
        insight=make_insight(made) if trials >= 20 else None,
        stages=(
            Stage("teacher", 212.4, "2,410 images/s"),
            Stage("supernet", 604.0, "1,180 images/s"),
            Stage("search", 118.0, "300 trials"),
            Stage("finalists", 420.0, "7 networks"),
            Stage("export", 61.2),
        ),
    )


@pytest.fixture(scope="session")
def summary_of() -> Callable[..., RunSummary]:
    return make_summary


@pytest.fixture(scope="session")
def summary() -> RunSummary:
    return make_summary(measured=True)
