"""The API is what its OpenAPI text says: schemathesis asks for whatever the text allows, and for what it forbids."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from edgetune.agent import guard, serve
from edgetune.agent.measure import Request, measure, sha256_of
from edgetune.agent.measurement import Measurement
from edgetune.agent.openapi import DIGEST, ID, openapi
from edgetune.agent.wire import JobBody
from tests.agent.conftest import Running
from tests.agent.models import QUICK_REQUEST

OPERATIONS = {
    ("GET", "openapi.json"),
    ("GET", "board"),
    *((method, "models") for method in ("GET", "PUT")),
    *((method, "jobs") for method in ("GET", "PUT", "DELETE")),
}
CONFIG = """
[[operations]]
include-name = "PUT /v1/models/{digest}"
checks.positive_data_acceptance.enabled = false  # no schema says that a content has this very hash
"""


@pytest.fixture
def one(start: Callable[..., Running], model: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    """An agent that has a model, and answers in no time what it measured once."""
    measured = measure(model, QUICK_REQUEST)
    asked = Counter[str]()

    def answer(_: object, __: object, path: Path, request: Request, cancelled: threading.Event) -> Measurement:
        asked["jobs"] += 1
        if asked["jobs"] % 3 == 0:
            raise ZeroDivisionError("a bug")
        cancelled.wait(0.02)
        return measured

    monkeypatch.setattr(serve, "_measure", answer)
    monkeypatch.setattr(guard, "FREE_TRIES", 10**9)  # who asks without a token is told so, and not to wait
    running = start()
    running.client().send(model, sha256_of(model))
    return running


def text_for(digest: str) -> dict[str, Any]:
    """The API's own text, where names are often those of things that are there, and jobs only of a model that is."""
    known = {"enum": [digest]}
    ids = {"enum": [f"{number:032x}" for number in range(2)]}
    text = json.loads(json.dumps(openapi()))
    text["components"]["schemas"]["JobBody"]["properties"] |= {"model": known, "pictures": {"enum": [digest, None]}}
    for path in text["paths"].values():
        for parameter in path.get("parameters", []):
            mine, schema = (known, DIGEST) if parameter["name"] == "digest" else (ids, ID)
            parameter["schema"] = {"anyOf": [mine, schema["schema"]]}
    return text


def fuzzed(one: Running, model: Path, folder: Path, token: str, *options: str) -> Counter[tuple[str, str, int]]:
    """How often each operation gave each status; without other options all of schemathesis's checks are made."""
    (folder / "openapi.json").write_text(json.dumps(text_for(sha256_of(model))))
    (folder / "schemathesis.toml").write_text(CONFIG)
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        "openapi.json",
        f"--url={one.agent.url}",
        "--tls-verify=false",
        f"--header=Authorization: Bearer {token}",
        "--phases=coverage,fuzzing",
        "--max-examples=40",
        "--seed=0",
        "--no-color",
        "--report=har",
        "--report-har-path=asked.har",
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    entries = json.loads((folder / "asked.har").read_text())["log"]["entries"]
    return Counter(
        (
            entry["request"]["method"],
            entry["request"]["url"].split("/v1/")[1].split("/")[0],
            entry["response"]["status"],
        )
        for entry in entries
        if "/v1/" in entry["request"]["url"]
    )


def test_answers_are_as_described(one: Running, model: Path, tmp_path: Path) -> None:
    seen = fuzzed(one, model, tmp_path, one.agent.token)
    assert {(*operation, 200) for operation in OPERATIONS if operation[0] != "PUT"} <= seen.keys()
    assert {("PUT", "jobs", 202), ("PUT", "jobs", 422), ("GET", "jobs", 404)} <= seen.keys()
    assert not [status for _, _, status in seen if status >= 500]
    assert '"code": "agent_failed"' in (one.folder / "audit.log").read_text(), "a failed job is described too"


def test_without_the_token_nothing_is_measured(one: Running, model: Path, tmp_path: Path) -> None:
    checks = "--checks=not_a_server_error,status_code_conformance,response_schema_conformance"
    seen = fuzzed(one, model, tmp_path, 43 * "A", checks, "--phases=fuzzing", "--max-examples=15")
    assert {status for *_, status in seen} == {401}
    assert {(method, room) for method, room, _ in seen} >= OPERATIONS
    assert '"event": "job"' not in (one.folder / "audit.log").read_text()


def test_a_wrong_method_is_told_all_right_ones(here: Running) -> None:
    for path, methods in (("models/" + 64 * "0", "GET, HEAD, PUT"), ("jobs/" + 32 * "0", "DELETE, GET, HEAD, PUT")):
        connection = here.client().link._open()
        connection.request("POST", f"/v1/{path}", headers={"authorization": f"Bearer {here.agent.token}"})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["allow"]) == (405, methods)
        connection.close()


def test_a_whole_number_may_have_a_point() -> None:
    """JSON Schema's `integer` holds 2.0."""
    body = '{"model": "%s", "threads": 2.0, "input_shape": [1.0, 3, 8, 8]}' % (64 * "0")
    assert JobBody.model_validate_json(body).input_shape == [1, 3, 8, 8]
    for odd in ("2.5", '"2"', "true", "1e30"):
        with pytest.raises(ValidationError):
            JobBody.model_validate_json(body.replace("2.0", odd))
