"""Writes docs/card.schema.json and docs/summary.schema.json, the JSON schemas of cards and summaries:

python -m tools.schemas
"""

from __future__ import annotations

import json
from pathlib import Path

from edgetune.export.card import card_schema
from edgetune.report.summary import json_schema

DOCS = Path(__file__).parents[1] / "docs"
PUBLISHED = {DOCS / "card.schema.json": card_schema, DOCS / "summary.schema.json": json_schema}


if __name__ == "__main__":
    for path, schema in PUBLISHED.items():
        path.write_text(json.dumps(schema(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
