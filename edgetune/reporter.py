"""How long work tells what it is doing: the pipeline speaks, the command line or a program listens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Say: TypeAlias = Callable[[str], None]
"""Takes one line for a person to read: :meth:`Reporter.say`."""


class Reporter:
    """Says nothing; a subclass shows what it is told."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """So many of so many pictures, trials or files of a stage are done."""

    def say(self, text: str) -> None:
        """One line for a person to read."""
