"""Measurements on a board, from the host: a model travels once, a job has an id, lost answers are asked for again."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edgetune.agent.link import Answer, Link
from edgetune.agent.measure import DEFAULT, Request, sha256_of
from edgetune.agent.measurement import Measurement
from edgetune.agent.registry import Agent
from edgetune.agent.wire import BoardBody, JobBody, JobStatus
from edgetune.errors import AgentError, ConfigError, MeasurementError, ModelFileError, in_one_line

WAIT = 20  # seconds that one question stays open
STARTS = 3  # of one job, before it counts as what ends the agent


class Client:
    """Speaks to one agent.

    Parameters
    ----------
    patience
        Seconds that the link may be cut before the agent counts as gone.
    say
        Takes a line for a person: behind how many jobs of others a measurement waits, whenever that changes.
    """

    def __init__(
        self, agent: Agent, *, patience: float = 120.0, say: Callable[[str], object] = lambda text: None
    ) -> None:
        self.agent, self.link, self.say = agent, Link(agent, patience=patience), say
        self.job: str | None = None
        self.ahead = 0

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()

    def board(self) -> BoardBody:
        """The board, its state, the agent's runtimes and limits."""
        return self._parsed(BoardBody, self._accepted(self.link.ask("GET", "/v1/board")))

    def measure(self, model: Path, request: Request = DEFAULT) -> Measurement:
        """Measures a model on the board.

        Raises
        ------
        ModelFileError
            There is no such file.
        MeasurementError
            The board could not clock it; `code` says why.
        AgentError
            The agent cannot be reached, refuses, or shows another certificate.
        """
        if not model.is_file():
            raise ModelFileError("there is no such file", where=model)
        digest = sha256_of(model)
        try:
            body = JobBody.of(request, digest).model_dump_json().encode()
        except ValidationError as error:
            raise ConfigError(in_one_line(error), mend="stay within it") from error
        sent = [(model, digest), *([(request.pictures, sha256_of(request.pictures))] if request.pictures else [])]
        self.send_all(sent)
        self.job = f"/v1/jobs/{secrets.token_hex(16)}"
        try:
            status = self._finished(self.job, body, sent)
        except BaseException:
            self.cancel()
            raise
        finally:
            self.job = None
        if status.error is not None:
            problem = status.error
            raise MeasurementError(problem.message, code=problem.code, where=model, mend=problem.mend)
        if status.measurement is None or status.measurement.model_sha256 != digest:
            raise AgentError("measured another model", where=self.agent.name, mend="update edgetune on the board")
        return status.measurement

    def _finished(self, job: str, body: bytes, sent: Sequence[tuple[Path, str]]) -> JobStatus:
        status, starts = self._status(self.link.ask("PUT", job, body)), 1
        while status.state in ("queued", "running"):
            self._tell(status.ahead)
            answer = self.link.ask("GET", f"{job}?wait={WAIT}")
            if answer.status == 404:  # the agent was started anew meanwhile
                if starts == STARTS:
                    what = f"the agent was started anew {starts} times before it was measured"
                    mend = "measure a smaller model: this one may take all of the board's memory"
                    raise MeasurementError(what, code="agent_ended", where=sent[0][0], mend=mend)
                starts += 1
                self.send_all(sent)
                answer = self.link.ask("PUT", job, body)
            status = self._status(answer)
        return status

    def _tell(self, ahead: int) -> None:
        if ahead not in (0, self.ahead):
            self.say(f"{self.agent.name} clocks {ahead} other model{'' if ahead == 1 else 's'} first")
        self.ahead = ahead

    def cancel(self) -> None:
        """Ends the measurement that another thread waits for, as far as the agent can be told so at once."""
        if self.job is not None:
            link = Link(self.agent, patience=0)
            with contextlib.suppress(AgentError):
                link.ask("DELETE", self.job)
            link.close()

    def send_all(self, files: Iterable[tuple[Path, str]]) -> None:
        for file, digest in files:
            self.send(file, digest)

    def send(self, model: Path, digest: str) -> None:
        """Sends a model, unless the agent has it."""
        path = f"/v1/models/{digest}"
        if self.link.ask("GET", path).status != 404:
            return
        largest = self.board().limits.model_bytes
        if model.stat().st_size > largest:
            mend = "start the agent with a larger --max-model"
            raise ModelFileError(f"larger than the {largest} bytes that the agent takes", where=model, mend=mend)
        self._accepted(self.link.ask("PUT", path, file=os.fspath(model)))

    def _status(self, answer: Answer) -> JobStatus:
        return self._parsed(JobStatus, self._accepted(answer))

    def _accepted(self, answer: Answer) -> dict[str, Any]:
        if answer.status >= 400:
            problem = answer.problem
            what = problem.get("message", f"answers {answer.status}")
            raise AgentError(what, where=self.agent.name, mend=problem.get("mend"))
        return answer.body

    def _parsed(self, kind: Any, body: dict[str, Any]) -> Any:
        try:
            return TypeAdapter(kind).validate_python(body)
        except ValidationError as error:
            raise AgentError(
                "speaks another version", where=self.agent.name, mend="install the same edgetune on both sides"
            ) from error
