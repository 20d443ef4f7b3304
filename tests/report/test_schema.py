"""The published schema is the code's own, and an independent validator takes real summaries by it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from jsonschema import Draft202012Validator

from edgetune.report.summary import RunSummary, json_schema
from tools.schemas import DOCS

PUBLISHED = DOCS / "summary.schema.json"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(PUBLISHED.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_what_is_published_is_what_is_written() -> None:
    assert json.loads(PUBLISHED.read_text()) == json_schema(), "python -m tools.schemas"


def test_summaries_follow_it(validator: Draft202012Validator, summary_of: Callable[..., RunSummary]) -> None:
    for summary in (summary_of(measured=True), summary_of(trials=3, finalists=1), summary_of(trials=0, finalists=0)):
        validator.validate(json.loads(summary.to_json()))


def test_it_refuses_what_is_not_a_summary(validator: Draft202012Validator, summary: RunSummary) -> None:
    changed = json.loads(summary.to_json())
    changed["teacher"]["test_top1"] = 94.37
    assert not validator.is_valid(changed)
    assert not validator.is_valid({})
