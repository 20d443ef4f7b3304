"""The API in OpenAPI 3.1, made of the bodies in wire.py."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from edgetune.agent.wire import VERSION, BoardBody, ErrorBody, JobBody, JobStatus, ModelStored

WHY = {
    401: "no token, or a wrong one",
    403: "the agent does not run files of this kind",
    404: "not there",
    408: "the body came too slowly",
    409: "the id belongs to another job",
    413: "too large",
    422: "not valid, or not the content that its SHA-256 names; the message says what",
    429: "too many wrong tokens from this address",
    503: "too much to do; try again later",
    507: "no room on the board",
}
DIGEST = {"name": "digest", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}
ID = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"}}
WAIT = {
    "name": "wait",
    "in": "query",
    "description": "seconds to wait for the job to end",
    "schema": {"type": "number", "minimum": 0, "maximum": 30, "multipleOf": 0.001},
}


def openapi() -> dict[str, Any]:
    """The text that `GET /v1/openapi.json` answers."""
    kinds = (BoardBody, ModelStored, JobBody, JobStatus, ErrorBody)
    _, definitions = models_json_schema(
        [(kind, "validation" if kind is JobBody else "serialization") for kind in kinds],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "edgetune agent", "version": VERSION},
        "security": [{"token": []}],
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": definitions["$defs"],
        },
        "paths": {
            "/v1/openapi.json": {"get": _operation("This text.", 200, None)},
            "/v1/board": {
                "get": _operation("The board, its state, its runtimes, the agent's limits.", 200, "BoardBody")
            },
            "/v1/models/{digest}": {
                "parameters": [DIGEST],
                "get": _operation("Whether the agent has a model.", 200, "ModelStored", 404, 422),
                "put": _operation(
                    "Send a model; the path holds its SHA-256.",
                    201,
                    "ModelStored",
                    408,
                    413,
                    422,
                    507,
                    body={"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
                ),
            },
            "/v1/jobs/{id}": {
                "parameters": [ID],
                "put": _operation(
                    "Ask for a measurement, under an id of your choice; asking again changes nothing.",
                    202,
                    "JobStatus",
                    403,
                    404,
                    408,
                    409,
                    413,
                    422,
                    body={"application/json": {"schema": _ref("JobBody")}},
                ),
                "get": _operation("A job's state, and its measurement.", 200, "JobStatus", 404, 422, parameters=[WAIT]),
                "delete": _operation("End a job.", 200, "JobStatus", 404, 422),
            },
        },
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _operation(
    summary: str,
    status: int,
    kind: str | None,
    *errors: int,
    body: dict[str, Any] | None = None,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    schema = {"type": "object"} if kind is None else _ref(kind)
    answers = {str(status): {"description": summary, "content": {"application/json": {"schema": schema}}}}
    for code in sorted({401, 429, 503, *errors}):
        content: dict[str, Any] = {"application/json": {"schema": _ref("ErrorBody")}}
        answers[str(code)] = {"description": WHY[code], "content": content}
    operation: dict[str, Any] = {"summary": summary, "responses": answers}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    if parameters:
        operation["parameters"] = parameters
    return operation
