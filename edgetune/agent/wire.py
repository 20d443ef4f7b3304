"""What travels between a host and an agent, version 1: JSON bodies with their bounds, and errors with their codes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from edgetune.agent.board import BoardInfo, BoardState
from edgetune.agent.measure import Limits, Request, sha256_of
from edgetune.agent.measurement import Measurement
from edgetune.agent.timing import Protocol

VERSION = "v1"
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
JobId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
RuntimeName = Literal["onnxruntime", "tvm", "litert"]
State = Literal["queued", "running", "done", "failed"]


def _whole(value: object) -> object:
    """JSON knows one kind of number, so that 2.0 is a whole one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
Size = Annotated[int, Field(ge=1, le=8192), BeforeValidator(_whole)]


class Body(BaseModel):
    """Plain values; unknown keys, infinities and numbers in quotes are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ProtocolBody(Body):
    """See :class:`edgetune.agent.timing.Protocol`."""

    min_runs: Whole = Field(default=30, ge=1, le=100_000)
    min_seconds: float = Field(default=1.0, ge=0, le=120)
    max_seconds: float = Field(default=20.0, gt=0, le=120)
    warmup_seconds: float = Field(default=5.0, ge=0, le=60)
    precision: float = Field(default=0.01, gt=0, le=1)
    drift: float = Field(default=0.02, gt=0, le=1)


class JobBody(Body):
    """A measurement to make of a model that the agent has; `pictures` were sent as models are."""

    model: Digest
    runtime: RuntimeName = "onnxruntime"
    threads: Whole = Field(default=1, ge=1, le=64)
    protocol: ProtocolBody = ProtocolBody()
    attempts: Whole = Field(default=3, ge=1, le=10)
    cooldown_seconds: float = Field(default=60.0, ge=0, le=600)
    input_shape: Annotated[list[Size], Field(min_length=1, max_length=5)] | None = None
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    pictures: Digest | None = None

    def request(self, limits: Limits) -> Request:
        """As :func:`edgetune.agent.measure.measure` takes it, within the agent's limits."""
        shape = None if self.input_shape is None else tuple(self.input_shape)
        fields = self.model_dump(exclude={"model", "protocol", "input_shape", "pictures"})
        return Request(protocol=Protocol(**self.protocol.model_dump()), limits=limits, input_shape=shape, **fields)

    @classmethod
    def of(cls, request: Request, digest: str) -> JobBody:
        """
        Raises
        ------
        pydantic.ValidationError
            The request asks for more than an agent gives.
        """
        return cls.model_validate(
            {
                "model": digest,
                "runtime": request.runtime,
                "threads": request.threads,
                "protocol": vars(request.protocol),
                "attempts": request.attempts,
                "cooldown_seconds": request.cooldown_seconds,
                "input_shape": None if request.input_shape is None else list(request.input_shape),
                "precision": request.precision,
                "pictures": None if request.pictures is None else sha256_of(request.pictures),
            }
        )


class Problem(Body):
    """What went wrong: a code for programs, a sentence and a mend for people."""

    code: str
    message: str
    mend: str | None = None


class ErrorBody(Body):
    """The body of every answer from 400 on."""

    error: Problem


class JobStatus(BaseModel):
    """A job's state; `ahead` counts the jobs before it, the running one among them."""

    id: JobId
    state: State
    ahead: int = 0
    measurement: Measurement | None = None
    error: Problem | None = None


class ModelStored(Body):
    """A model that the agent has."""

    sha256: Digest
    bytes: int


class AgentLimits(Body):
    """What the agent takes."""

    model_bytes: int
    cache_bytes: int
    queue: int
    seconds: float
    memory_bytes: int


class BoardBody(BaseModel):
    """The agent and its board now; `native` says whether it runs files that are machine code."""

    version: str
    board: BoardInfo
    state: BoardState
    runtimes: dict[str, str]
    jobs: int
    limits: AgentLimits
    native: bool = False


class Refusal(Exception):
    """An answer from 400 on, raised anywhere below a route."""

    def __init__(
        self, status: int, code: str, message: str, *, mend: str | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}
        self.problem = Problem(code=code, message=message, mend=mend)
