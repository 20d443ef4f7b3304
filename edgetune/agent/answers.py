"""Answers in JSON."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from edgetune.agent.wire import ErrorBody, Problem, Refusal


def answer(status: int, body: BaseModel, headers: dict[str, str] | None = None) -> Response:
    return Response(body.model_dump_json(), status, headers, media_type="application/json")


def answer_refusal(refusal: Refusal) -> Response:
    return answer(refusal.status, ErrorBody(error=refusal.problem), refusal.headers)


async def on_refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return answer_refusal(error)


async def on_no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "no_such_path", 405: "no_such_method"}.get(error.status_code, "not_valid")
    problem = Problem(code=code, message=error.detail)
    headers = {"allow": ", ".join(_allowed(request))} if error.status_code == 405 else {}
    return answer(error.status_code, ErrorBody(error=problem), headers)


def _allowed(request: Request) -> list[str]:
    """The methods of all routes of a path; starlette names those of the first one."""
    fitting = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in fitting if isinstance(route, Route) for method in route.methods or ()})


async def on_disconnect(_: Request, error: Exception) -> Response:
    return answer_refusal(Refusal(400, "cut_off", "the connection ended before the body did"))


async def on_failure(_: Request, error: Exception) -> Response:
    return answer_refusal(Refusal(500, "agent_failed", f"the agent failed: {type(error).__name__}"))
