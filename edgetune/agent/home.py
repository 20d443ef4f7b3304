"""An agent's own folder: its token, its certificate, its models and its log, readable by its user alone."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from edgetune.errors import AgentError, MissingDependencyError, last_line
from edgetune.files import alone, atomic_write, make_folder, storage_errors

BETWEEN = b"-----BEGIN PRIVATE KEY-----"
TOKEN_BYTES = 32
"""256 bits; the issue of guessing them ends at 128."""


def agent_folder() -> Path:
    """`EDGETUNE_AGENT`, by default `~/.local/share/edgetune/agent`."""
    return Path(os.environ.get("EDGETUNE_AGENT", "~/.local/share/edgetune/agent")).expanduser()


def own_folder(folder: Path) -> None:
    """Makes an agent's folder its user's alone, also one that was there before.

    Raises
    ------
    StorageError
        A file is in the way, or no permission.
    """
    with storage_errors(folder):
        make_folder(folder, mode=0o700)
        folder.chmod(0o700)


def write_secret(path: Path, content: bytes) -> None:
    """Writes a file that its user alone can read, whole or not at all.

    Raises
    ------
    StorageError
        No room, no permission.
    """
    with storage_errors(path):
        make_folder(path.parent, mode=0o700)
    with atomic_write(path, mode=0o600) as aside:
        aside.write_bytes(content)


def one_at_a_time(folder: Path) -> AbstractContextManager[None]:
    """Others wait: an agent that starts and a command that asks for its fingerprint would each make a certificate."""
    return alone(folder / ".lock", mode=0o700)


class Token:
    """The bearer token, of which only a hash is kept: a new one ends the old one at once, for running agents too."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "token.sha256"

    def exists(self) -> bool:
        return self.path.is_file()

    def renew(self) -> str:
        """Makes a new token and returns it; it cannot be read again."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        write_secret(self.path, hashlib.sha256(token.encode()).hexdigest().encode())
        return token

    def matches(self, given: str) -> bool:
        """Compares in a time that tells nothing about the token."""
        try:
            expected = self.path.read_bytes()
        except OSError:
            return False
        return hmac.compare_digest(hashlib.sha256(given.encode()).hexdigest().encode(), expected)


class Certificate:
    """The agent's certificate, which it signs itself: the host knows it by its fingerprint."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"

    def ensure(self, python: Sequence[str] = (sys.executable,)) -> str:
        """Makes a certificate if there is none, with a program that `python` starts; returns the fingerprint.

        Raises
        ------
        MissingDependencyError
            A certificate has to be made and `cryptography` is not installed.
        """
        if not self.exists():
            with one_at_a_time(self.key.parent):
                if not self.exists():  # by now
                    self._make(python)
        return self.fingerprint()

    def exists(self) -> bool:
        return self.certificate.is_file() and self.key.is_file()

    def _make(self, python: Sequence[str]) -> None:
        command = [*python, "-P", "-m", "edgetune.agent.certificate"]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            reason = last_line(done.stderr.decode(errors="replace"))
            raise MissingDependencyError(
                f"no certificate could be made: {reason}", mend="run: pip install 'edgetune[agent]'"
            )
        certificate, key = done.stdout.split(BETWEEN)
        write_secret(self.key, BETWEEN + key)
        write_secret(self.certificate, certificate)

    def fingerprint(self) -> str:
        """SHA-256 of the certificate in DER, hexadecimal."""
        import ssl

        try:
            return fingerprint_of(ssl.PEM_cert_to_DER_cert(self.certificate.read_text()))
        except ValueError as error:
            raise AgentError("not a certificate", where=self.certificate, mend="remove it and start again") from error


def fingerprint_of(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()
