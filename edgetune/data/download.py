"""Published files by HTTP."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from edgetune.data.source import Progress

CHUNK = 1 << 20
SECONDS_OF_SILENCE = 60


def download(url: str, file: Path, progress: Progress | None = None) -> None:
    """Writes what `url` answers to `file`; progress is in bytes.

    Raises
    ------
    OSError
        No network, no such page, or an answer cut short.
    """
    with urllib.request.urlopen(url, timeout=SECONDS_OF_SILENCE) as answer, file.open("wb") as out:
        total = int(answer.headers.get("Content-Length") or 0)
        while chunk := answer.read(CHUNK):
            out.write(chunk)
            if progress:
                progress(f"downloading {url.rsplit('/', 1)[-1]}", out.tell(), max(total, out.tell()))
        if out.tell() < total:
            raise OSError(f"{url} answered {out.tell()} of {total} bytes")
