"""The audit log: a line of JSON for each thing that was asked of an agent, turned over by size."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
from datetime import UTC, datetime
from functools import partial
from io import TextIOWrapper
from pathlib import Path

from edgetune.files import storage_errors

LARGEST, KEPT = 2**20, 3


class Audit:
    """Writes `audit.log` and keeps three older ones of a mebibyte each. A full disk stops the log, not the agent."""

    def __init__(self, path: Path) -> None:
        self.logger = logging.Logger("edgetune.agent.audit")  # of its own: nobody's configuration touches it
        self.logger.addHandler(_Lines(path, maxBytes=LARGEST, backupCount=KEPT, encoding="utf-8"))

    def write(self, event: str, **fields: object) -> None:
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.logger.info(json.dumps({"time": time, "event": event, **fields}))

    def close(self) -> None:
        for handler in self.logger.handlers:
            handler.close()


class _Lines(logging.handlers.RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        """Readable by its user alone."""
        with storage_errors(Path(self.baseFilename)):
            return open(self.baseFilename, "a", encoding="utf-8", opener=partial(os.open, mode=0o600))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        print(f"audit log: {sys.exc_info()[1]}: {record.getMessage()}", file=sys.stderr)
