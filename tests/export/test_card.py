from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgetune.errors import ExportError
from edgetune.export.card import SCHEMA, Card, SignOff, card_schema
from tools.schemas import DOCS

PUBLISHED = DOCS / "card.schema.json"
OLDER = [Path(__file__).with_name(f"card_of_schema_{schema}.json") for schema in range(1, SCHEMA)]


def test_the_published_schema_is_that_of_the_code() -> None:
    assert json.loads(PUBLISHED.read_text()) == card_schema(), "run: python -m tools.schemas"


def test_every_key_of_a_card_is_in_the_published_schema(card: Card) -> None:
    schema = json.loads(PUBLISHED.read_text())
    written = json.loads(card.to_json())
    assert set(written) <= set(schema["properties"])
    assert set(schema["required"]) <= set(written)
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("older", OLDER, ids=lambda path: path.stem)
def test_a_card_of_an_older_schema_is_brought_up_to_date(older: Path) -> None:
    card = Card.from_json(older.read_text(), where=older)
    assert card.schema_version == SCHEMA
    assert card.signed_off == ()
    assert card.artefacts[0].format == "onnx"
    assert card.artefacts[0].fine_tuning is None


@pytest.mark.parametrize(
    ("schema", "mend"),
    [
        ("99", "update edgetune"),
        ("0", "export the bundle again"),
        ('"x"', "export the bundle again"),
        ("true", "export the bundle again"),
    ],
)
def test_a_schema_that_is_not_known_is_refused(card: Card, schema: str, mend: str) -> None:
    text = card.to_json().replace(f'"schema_version": {SCHEMA}', f'"schema_version": {schema}')
    with pytest.raises(ExportError, match=mend):
        Card.from_json(text, where=Path("card.json"))


def test_a_record_names_its_time_in_utc() -> None:
    values: dict[str, Any] = {"where": "host", "machine": "x86_64", "edgetune": "0.1.0", "files": {}}
    assert SignOff(at="2026-11-24T14:00:00Z", **values)
    with pytest.raises(ValueError, match="at"):
        SignOff(at="yesterday", **values)
