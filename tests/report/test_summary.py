from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edgetune.errors import StudyError
from edgetune.report.front import front_json
from edgetune.report.summary import (
    Artefact,
    Conditions,
    Convergence,
    Data,
    Limits,
    Run,
    RunSummary,
    Stage,
    Teacher,
    TrialPoint,
)

fractions = st.floats(0, 1)
positive = st.floats(0, 1e9)
counts = st.integers(0, 2**53)
values = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
maybe = st.none
trials = st.builds(
    TrialPoint,
    number=counts,
    state=st.sampled_from(["done", "failed", "infeasible"]),
    validation_top1=maybe() | fractions,
    latency_ms=maybe() | positive,
    interval_ms=maybe() | st.tuples(positive, positive),
    macs=maybe() | counts,
    error=maybe() | st.text(),
)
runs = st.builds(
    Run,
    name=st.text(),
    version=st.text(),
    started=st.datetimes(timezones=st.just(UTC)),
    seed=st.integers(0, 2**32),
    command=st.text(),
    space=st.text(),
    strategy=st.text(),
    settings=st.dictionaries(st.text(), values),
    notes=st.lists(st.text(), max_size=2).map(tuple),
)
data = st.builds(
    Data,
    name=st.text(),
    classes=st.lists(st.text(), max_size=4).map(tuple),
    channels=st.just(3),
    resolution=st.just(224),
    train=counts,
    validation=counts,
    test=counts,
    licence=st.text(),
    content_hash=st.text(),
)


@settings(max_examples=40, deadline=None)
@given(
    run=runs,
    data=data,
    trials=st.lists(trials, max_size=4).map(tuple),
    teacher=st.builds(Teacher, st.text(), fractions, counts, counts, st.text()),
    limits=st.builds(Limits, maybe() | positive, *[maybe() | counts] * 3, maybe() | fractions),
    stages=st.lists(st.builds(Stage, st.text(), positive, st.text()), max_size=2).map(tuple),
    finalists=st.integers(0, 2),
)
def test_json_gives_the_same_summary_back(
    summary_of: Callable[..., RunSummary], finalists: int, **parts: object
) -> None:
    summary = replace(summary_of(trials=6, finalists=finalists, measured=True), **parts)  # type: ignore[arg-type]
    assert RunSummary.from_json(summary.to_json()) == summary


def test_json_keeps_the_kinds_of_values(summary: RunSummary) -> None:
    back = RunSummary.from_json(summary.to_json())
    for one, other in zip(summary.finalists, back.finalists, strict=True):
        assert [(key, type(value)) for key, value in one.sample.items()] == [
            (key, type(value)) for key, value in other.sample.items()
        ]
        assert one.latencies == other.latencies


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"schema": 1}', '{"run": "x"}'])
def test_what_is_no_summary_is_refused(text: str) -> None:
    with pytest.raises(StudyError) as caught:
        RunSummary.from_json(text, where="old-run/summary.json")
    assert caught.value.where == "old-run/summary.json"
    assert caught.value.mend


def test_a_summary_cut_short_is_refused(summary: RunSummary) -> None:
    with pytest.raises(StudyError):
        RunSummary.from_json(summary.to_json()[:-20])


def test_a_newer_schema_is_refused(summary: RunSummary) -> None:
    newer = json.loads(summary.to_json()) | {"schema": 3}
    with pytest.raises(StudyError, match=r"schema 3.*update"):
        RunSummary.from_json(json.dumps(newer))


def test_an_unknown_key_is_named(summary: RunSummary) -> None:
    changed = json.loads(summary.to_json())
    changed["teacher"]["colour"] = "red"
    with pytest.raises(StudyError, match=r"teacher\.colour"):
        RunSummary.from_json(json.dumps(changed))


@pytest.mark.parametrize("path", ["/etc/passwd", "a\\b", "C:/a", "../other", "a/../../b", ""])
def test_an_artefact_lies_in_the_run_folder(path: str) -> None:
    with pytest.raises(ValidationError):
        Artefact("onnx", path, 1, "0" * 64)


def test_an_accuracy_in_percent_is_refused() -> None:
    with pytest.raises(ValidationError):
        Teacher("t", 93.5, 1, 1)
    with pytest.raises(ValidationError):
        Teacher("t", float("nan"), 1, 1)


def test_one_hypervolume_a_trial() -> None:
    with pytest.raises(ValidationError):
        Convergence(4.0, 0.5, (0, 1), (1.0,))


def test_kinds_of_latency_are_not_mixed(summary: RunSummary) -> None:
    emulated = replace(summary.conditions, kind="emulated")
    with pytest.raises(ValidationError, match="first latency is calibrated"):
        replace(summary, conditions=emulated)
    assert str(emulated) == "emulated, rpi4, tflite 2.7.1, fp32, 4 threads, 1500 MHz"


def test_finalists_go_from_the_fastest_to_the_slowest(summary: RunSummary) -> None:
    backwards = replace(summary, finalists=summary.finalists[::-1])
    assert backwards.finalists == summary.finalists
    latencies = [finalist.latency.latency_ms for finalist in summary.finalists]
    assert latencies == sorted(latencies)


def test_front_json_holds_every_finalist_with_its_conditions(summary: RunSummary) -> None:
    front = json.loads(json.dumps(front_json(summary), allow_nan=False))
    assert [row["name"] for row in front["front"]] == [finalist.name for finalist in summary.finalists]
    for row, finalist in zip(front["front"], summary.finalists, strict=True):
        assert Conditions(**{key: row[key] for key in Conditions.__dataclass_fields__}) == summary.conditions
        assert row["latency_ms"] == finalist.latency.latency_ms
        assert row["interval_ms"] == list(finalist.latency.interval_ms)
        assert [latency["kind"] for latency in row["other_latencies"]] == [
            latency.kind for latency in finalist.latencies[1:]
        ]
        assert [artefact["sha256"] for artefact in row["artefacts"]] == [
            artefact.sha256 for artefact in finalist.artefacts
        ]
        assert row["omitted"] == {"int8": "slower than fp32 (hard-swish)"}
    assert front["hypervolume"]["value"] == summary.convergence.hypervolume[-1]


def test_front_json_of_a_run_without_trials(summary_of: Callable[..., RunSummary]) -> None:
    front = front_json(summary_of(trials=0, finalists=0, failed=0))
    assert front["front"] == [] and front["hypervolume"]["value"] == 0
