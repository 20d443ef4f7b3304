"""One connection to an agent: TLS whose certificate is known by its fingerprint, checked before a word is said."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import IO, Any

from edgetune.agent.home import fingerprint_of
from edgetune.agent.registry import Agent
from edgetune.errors import AgentError

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
LARGEST_ANSWER = 4 * 2**20
CUT = (OSError, http.client.HTTPException)
COME_BACK = (429, 503)


class LinkLost(AgentError):
    """The agent could not be reached for as long as the host had patience."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    retry_after: float = 0.0
    """Seconds that a refused one is asked to wait."""

    @property
    def problem(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body.get("error", {})
        return found


def fetch_fingerprint(host: str, port: int) -> str:
    """The fingerprint of whoever answers there; nothing is sent.

    Raises
    ------
    AgentError
        Nobody answers, or without TLS.
    """
    try:
        with _connect(host, port) as connection:
            return _fingerprint(connection)
    except OSError as error:
        raise AgentError(f"cannot be reached: {error}", where=f"https://{host}:{port}", mend=WHERE) from error


WHERE = "does `edgetune agent --host 0.0.0.0` run there?"


class Link:
    """Sends requests, one after another; where the line is cut, again, until `patience` seconds have passed.

    Every request of the API may be repeated: it means the same twice.
    """

    def __init__(self, agent: Agent, *, patience: float = 120.0) -> None:
        self.agent, self.patience = agent, patience
        self.connection: http.client.HTTPConnection | None = None

    def ask(self, method: str, path: str, body: bytes | None = None, *, file: str | None = None) -> Answer:
        """
        Parameters
        ----------
        file
            Whose content is the body.

        Raises
        ------
        LinkLost
            Nobody answered in time.
        AgentError
            Another certificate, or a refused token.
        """
        deadline, pause = time.monotonic() + self.patience, 0.2
        while True:
            wait = pause
            try:
                answer = self._once(method, path, body, file)
                if answer.status not in COME_BACK:
                    return self._accepted(answer)
                reason = answer.problem.get("message", "too busy")
                wait = max(pause, answer.retry_after)
            except CUT as error:
                reason = f"{type(error).__name__}: {error}"
            self.close()
            if time.monotonic() + wait > deadline:
                raise LinkLost(f"cannot be reached: {reason}", where=self.agent.name, mend=f"{self.agent.url}: {WHERE}")
            time.sleep(wait)
            pause = min(2 * pause, 5.0)

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _once(self, method: str, path: str, body: bytes | None, file: str | None) -> Answer:
        connection = self.connection or self._open()
        headers = {"authorization": f"Bearer {self.agent.token}"}
        if file is None:
            connection.request(method, path, body, headers)
        else:
            with open(file, "rb") as stream:
                connection.request(method, path, stream, headers | {"content-length": str(_size(stream))})
        response = connection.getresponse()
        text = response.read(LARGEST_ANSWER)
        try:
            answer = json.loads(text)
        except ValueError as error:
            raise http.client.HTTPException("not an agent's answer") from error
        if response.will_close:
            self.close()
        wait = response.headers.get("retry-after", "")
        told = answer if isinstance(answer, dict) else {}
        return Answer(response.status, told, float(wait) if wait.isdigit() else 0.0)

    def _open(self) -> http.client.HTTPConnection:
        stream = _connect(self.agent.host, self.agent.port)
        if _fingerprint(stream) != self.agent.fingerprint:
            stream.close()
            raise AgentError(
                "shows another certificate than the one it is known by: someone may be in between",
                where=self.agent.name,
                mend="if `edgetune agent fingerprint` on the board says so too: edgetune agents add it again",
            )
        stream.settimeout(ANSWER_SECONDS)
        self.connection = http.client.HTTPConnection(self.agent.host, self.agent.port)
        self.connection.sock = stream
        self.connection.auto_open = 0  # never again without a look at the certificate
        return self.connection

    def _accepted(self, answer: Answer) -> Answer:
        if answer.status == 401:
            problem = answer.problem
            raise AgentError(problem.get("message", "refused"), where=self.agent.name, mend=problem.get("mend"))
        return answer


def _connect(host: str, port: int) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the fingerprint says more than a name
    context.verify_mode = ssl.CERT_NONE
    try:
        plain = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
    except UnicodeError as error:  # of a name that cannot be asked for
        raise OSError(f"{host!r} is no host's name") from error
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _fingerprint(stream: ssl.SSLSocket) -> str:
    return fingerprint_of(stream.getpeercert(binary_form=True) or b"")


def _size(stream: IO[bytes]) -> int:
    stream.seek(0, 2)
    size = stream.tell()
    stream.seek(0)
    return size
