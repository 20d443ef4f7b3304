"""Writes docs/card.schema.json, the JSON schema of a bundle's card: python -m tools.card_schema"""

from __future__ import annotations

import json
from pathlib import Path

from edgetune.export.card import card_schema

PUBLISHED = Path(__file__).parents[1] / "docs" / "card.schema.json"


def text() -> str:
    return json.dumps(card_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PUBLISHED.write_text(text(), encoding="utf-8")
