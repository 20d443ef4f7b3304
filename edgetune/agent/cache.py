"""The models that an agent has, each named by the hash of its content."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

from edgetune.agent.measure import sha256_of
from edgetune.agent.wire import Refusal
from edgetune.files import flush, make_folder, storage_errors

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ModelCache:
    """Keeps at most `most_bytes`; those not used for the longest time go first, those in use stay.

    Parameters
    ----------
    in_use
        Gives the digests that queued jobs need.
    """

    def __init__(
        self, folder: Path, *, largest: int, most_bytes: int, in_use: Callable[[], Iterable[str]] = tuple
    ) -> None:
        self.folder, self.largest, self.most_bytes, self.in_use = folder, largest, most_bytes, in_use
        with storage_errors(folder):
            make_folder(folder, mode=0o700)
        for half in folder.glob(".upload-*"):  # of an agent that was killed
            half.unlink()

    def path(self, digest: str) -> Path:
        return self.folder / digest

    def find(self, digest: str) -> Path | None:
        """The file of a model, which counts as used now; a damaged one is removed."""
        path = self.path(digest)
        if not path.is_file():
            return None
        if sha256_of(path) != digest:
            path.unlink(missing_ok=True)
            return None
        with contextlib.suppress(OSError):
            os.utime(path, ns=(time.time_ns(), time.time_ns()))
        return path

    async def store(self, digest: str, chunks: AsyncIterator[bytes]) -> int:
        """Keeps an upload under its name once it is whole and its hash is right; returns its bytes.

        Raises
        ------
        Refusal
            Too large, not what the hash says, no room on the disk.
        """
        handle, name = tempfile.mkstemp(prefix=".upload-", dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as file:
                hasher, size = hashlib.sha256(), 0
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self.largest:
                        raise too_large(self.largest)
                    hasher.update(chunk)
                    file.write(chunk)
                    await asyncio.sleep(0)
            if hasher.hexdigest() != digest:
                raise Refusal(422, "wrong_hash", "the content is not what its name says", mend="send it again")
            self.make_room(size)
            await asyncio.to_thread(flush, Path(name))
            os.replace(name, self.path(digest))
            return size
        except OSError as error:
            if error.errno in NO_ROOM:
                raise Refusal(507, "disk_full", "no room left on the board's disk", mend="free some") from error
            raise
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)

    def make_room(self, size: int) -> None:
        """Removes models until `size` more bytes fit."""
        kept = sorted((path.stat().st_mtime_ns, path.stat().st_size, path) for path in self.models())
        total = size + sum(bytes_ for _, bytes_, _ in kept)
        needed = set(self.in_use())
        for _, bytes_, path in kept:
            if total > self.most_bytes and path.name not in needed:
                path.unlink()
                total -= bytes_
        if size > self.most_bytes:
            raise Refusal(507, "cache_full", "larger than all that is kept", mend="start the agent with --max-cache")
        if total > self.most_bytes:
            raise Refusal(507, "cache_full", "queued jobs need all models that fit", mend="wait for them")

    def models(self) -> list[Path]:
        return [path for path in self.folder.iterdir() if not path.name.startswith(".")]


def too_large(largest: int) -> Refusal:
    return Refusal(413, "model_too_large", f"larger than {largest} bytes", mend="start the agent with --max-model")
