"""The agent's API, version 1, as an ASGI application. The OpenAPI text in openapi.py describes it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from edgetune.agent.answers import answer, on_disconnect, on_failure, on_no_route, on_refusal
from edgetune.agent.audit import Audit
from edgetune.agent.board import read_info, read_state
from edgetune.agent.cache import ModelCache, too_large
from edgetune.agent.guard import FailedTokens, Guard
from edgetune.agent.home import Token
from edgetune.agent.jobs import JobQueue, Measure
from edgetune.agent.measure import Limits
from edgetune.agent.openapi import openapi
from edgetune.agent.runtimes import find_runtime, installed_runtimes
from edgetune.agent.wire import AgentLimits, BoardBody, JobBody, ModelStored, Refusal
from edgetune.errors import in_one_line

LARGEST_JOB = 2**14  # bytes of JSON
LONGEST_WAIT = 30.0  # seconds that a question for a job's status may stay open
CHUNK_SECONDS, UPLOAD_SECONDS = 15.0, 600.0
UPLOADS = 4  # at once

T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True)
class Settings:
    """What an agent takes. `native`: also files that are machine code."""

    largest_model: int = 256 * 2**20
    cache_bytes: int = 2 * 2**30
    queue: int = 64
    job: Limits = field(default_factory=lambda: Limits(seconds=300.0, memory_bytes=4 * 2**30))
    native: bool = False


DEFAULT = Settings()


def make_app(
    folder: Path, measure: Measure, settings: Settings = DEFAULT, *, failed: FailedTokens | None = None
) -> Starlette:
    """The application; `folder` is the agent's own."""
    audit = Audit(folder / "audit.log")
    queue = JobQueue(measure, audit, longest=settings.queue)
    api = Api(folder, queue, audit, settings)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(queue.work()), asyncio.create_task(queue.sweep())]
        yield
        for task in tasks:
            task.cancel()
        audit.close()

    app = Starlette(
        routes=api.routes(),
        lifespan=lifespan,
        middleware=[Middleware(Guard, token=Token(folder), failed=failed or FailedTokens(), audit=audit)],
        exception_handlers={
            Refusal: on_refusal,
            HTTPException: on_no_route,
            ClientDisconnect: on_disconnect,
            Exception: on_failure,
        },
    )
    app.router.redirect_slashes = False
    return app


class Api:
    """The routes."""

    def __init__(self, folder: Path, queue: JobQueue, audit: Audit, settings: Settings) -> None:
        self.queue, self.audit, self.settings = queue, audit, settings
        self.cache = ModelCache(
            folder / "models",
            largest=settings.largest_model,
            most_bytes=settings.cache_bytes,
            in_use=lambda: [
                path.name for job in queue.unfinished() for path in (job.model, job.request.pictures) if path
            ],
        )
        self.uploads = asyncio.Semaphore(UPLOADS)
        self.board, self.runtimes = read_info(), installed_runtimes()

    def routes(self) -> list[Route]:
        return [
            Route("/v1/openapi.json", self.describe, methods=["GET"]),
            Route("/v1/board", self.get_board, methods=["GET"]),
            Route("/v1/models/{digest}", self.get_model, methods=["GET"]),
            Route("/v1/models/{digest}", self.put_model, methods=["PUT"]),
            Route("/v1/jobs/{id}", self.get_job, methods=["GET"]),
            Route("/v1/jobs/{id}", self.put_job, methods=["PUT"]),
            Route("/v1/jobs/{id}", self.delete_job, methods=["DELETE"]),
        ]

    async def describe(self, _: Request) -> Response:
        return Response(json.dumps(openapi()), media_type="application/json")

    async def get_board(self, _: Request) -> Response:
        settings = self.settings
        limits = AgentLimits(
            model_bytes=settings.largest_model,
            cache_bytes=settings.cache_bytes,
            queue=settings.queue,
            seconds=settings.job.seconds,
            memory_bytes=settings.job.memory_bytes,
        )
        body = BoardBody(
            version=own_version(),
            board=self.board,
            state=read_state(),
            runtimes=self.runtimes,
            jobs=len(self.queue.unfinished()),
            limits=limits,
            native=settings.native,
        )
        return answer(200, body)

    async def get_model(self, request: Request) -> Response:
        digest = named(request, "digest", 64)
        return answer(200, ModelStored(sha256=digest, bytes=(await self.stored(digest)).stat().st_size))

    async def put_model(self, request: Request) -> Response:
        digest = named(request, "digest", 64)
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > self.settings.largest_model:
            raise too_large(self.settings.largest_model)
        if self.uploads.locked():
            raise Refusal(503, "busy", "too many models arrive at once", headers={"retry-after": "1"})
        async with self.uploads:
            try:
                async with asyncio.timeout(UPLOAD_SECONDS):
                    size = await self.cache.store(digest, chunks(request))
            except TimeoutError:
                raise too_slow() from None
        self.audit.write("model", client=client(request), sha256=digest, bytes=size)
        return answer(201, ModelStored(sha256=digest, bytes=size))

    async def put_job(self, request: Request) -> Response:
        id = named(request, "id", 32)
        body = await parsed(request, JobBody)
        runtime = find_runtime(body.runtime)
        if runtime.native and not self.settings.native:
            mend = "start it with --allow-native if you trust whoever has the token with the whole board"
            raise Refusal(403, "native_not_allowed", "this agent runs no machine code of others", mend=mend)
        job = body.request(self.settings.job)
        if body.pictures is not None:
            job = replace(job, pictures=await self.stored(body.pictures))
        self.queue.put(id, await self.stored(body.model), job, client=client(request))
        return answer(202, self.queue.status(id))

    async def stored(self, digest: str) -> Path:
        """What was sent under this name."""
        path = await asyncio.to_thread(self.cache.find, digest)
        if path is None:
            raise Refusal(404, "no_such_model", "the agent does not have this model", mend="send it")
        return path

    async def get_job(self, request: Request) -> Response:
        id = named(request, "id", 32)
        return answer(200, await self.queue.wait(id, seconds_to_wait(request)))

    async def delete_job(self, request: Request) -> Response:
        id = named(request, "id", 32)
        self.queue.cancel(id)
        return answer(200, self.queue.status(id))


def own_version() -> str:
    """Of the installed package."""
    try:
        return importlib.metadata.version("edgetune")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout
        return "unknown"


def client(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def named(request: Request, parameter: str, digits: int) -> str:
    """A name in a path: so many hexadecimal digits, which no file system takes for anything else."""
    name: str = request.path_params[parameter]
    if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", name):
        raise Refusal(422, "not_a_name", f"{parameter} is not {digits} hexadecimal digits")
    return name


def seconds_to_wait(request: Request) -> float:
    text = request.query_params.get("wait", "0")
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", text, re.ASCII) or float(text) > LONGEST_WAIT:
        raise Refusal(422, "not_a_wait", f"wait is not a number of seconds from 0 to {LONGEST_WAIT:g}")
    return float(text)


async def chunks(request: Request) -> AsyncIterator[bytes]:
    """A body in parts; who sends too slowly is sent away."""
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(CHUNK_SECONDS):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise too_slow() from None
        yield chunk


async def parsed(request: Request, kind: type[T]) -> T:
    """The body as JSON of a kind."""
    text = b""
    async for chunk in chunks(request):
        text += chunk
        if len(text) > LARGEST_JOB:
            raise Refusal(413, "body_too_large", f"larger than {LARGEST_JOB} bytes")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise Refusal(422, "not_valid", in_one_line(error)[:500]) from error


def too_slow() -> Refusal:
    return Refusal(408, "too_slow", "the body came too slowly", headers={"connection": "close"})
