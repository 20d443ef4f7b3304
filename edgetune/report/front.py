"""`front.json`: the finalists for the next program, with the keys that `edgetune predict --json` uses for latencies."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from edgetune.latency.prediction import Prediction
from edgetune.report.summary import SCHEMA, Artefact, Finalist, RunSummary


def front_json(summary: RunSummary) -> dict[str, Any]:
    """Plain JSON values; finalists from the fastest to the slowest, paths relative to the run folder."""
    data, convergence = summary.data, summary.convergence
    return {
        "schema": SCHEMA,
        "run": summary.run.name,
        "version": summary.run.version,
        "started": summary.run.started.isoformat(),
        "seed": summary.run.seed,
        "space": summary.run.space,
        "device": summary.conditions.device,
        "data": {"name": data.name, "content_hash": data.content_hash, "classes": list(data.classes)},
        "teacher": asdict(summary.teacher),
        "limits": asdict(summary.limits),
        "trials": len(summary.trials),
        "hypervolume": {
            "value": convergence.hypervolume[-1] if convergence.hypervolume else 0.0,
            "reference_ms": convergence.reference_ms,
            "reference_top1": convergence.reference_top1,
        },
        "front": [finalist_json(finalist) for finalist in summary.finalists],
    }


def finalist_json(finalist: Finalist) -> dict[str, Any]:
    return {
        "name": finalist.name,
        "trial": finalist.trial,
        "test_top1": finalist.test_top1,
        "validation_top1": finalist.validation_top1,
        **latency_json(finalist.latency),
        "other_latencies": [latency_json(latency) for latency in finalist.latencies[1:]],
        "macs": finalist.macs,
        "parameters": finalist.parameters,
        "peak_memory_bytes": finalist.peak_memory_bytes,
        "sample": dict(finalist.sample),
        "artefacts": [artefact_json(artefact) for artefact in finalist.artefacts],
        "omitted": {omission.format: omission.reason for omission in finalist.omitted},
    }


def latency_json(latency: Prediction) -> dict[str, Any]:
    """Without the kernels, which the report and `summary.json` hold."""
    return {key: value for key, value in latency.to_json().items() if key not in ("network", "kernels")}


def artefact_json(artefact: Artefact) -> dict[str, Any]:
    return {**asdict(artefact), "agreements": [asdict(agreement) for agreement in artefact.agreements]}
