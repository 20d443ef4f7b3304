"""A worker: `python -m edgetune.search.engines.worker` reads jobs and writes outcomes, a JSON line each."""

from __future__ import annotations

import json
import os
import sys
from queue import SimpleQueue
from threading import Thread
from typing import TextIO

from edgetune.search.engines.base import EvaluatorSource, Job, run_job

READY = "ready"


def main() -> None:
    answers = _own_standard_output()
    lines = _lines_until_the_search_is_gone()
    try:
        evaluate = EvaluatorSource.from_json(lines.get()).make()
    except Exception as reason:
        _say(answers, json.dumps(f"{type(reason).__name__}: {reason}"))
        return
    _say(answers, json.dumps(READY))
    while True:
        _say(answers, run_job(evaluate, Job.from_json(lines.get())).to_json())


def _own_standard_output() -> TextIO:
    """What evaluations print goes to standard error, so that it is not taken for an answer."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _lines_until_the_search_is_gone() -> SimpleQueue[str]:
    """When standard input ends the search has ended, however: so does the worker, in the middle of a trial too."""
    lines: SimpleQueue[str] = SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    Thread(target=listen, daemon=True).start()
    return lines


def _say(answers: TextIO, text: str) -> None:
    answers.write(text + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
