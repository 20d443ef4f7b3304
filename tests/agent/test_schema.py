"""The API is what its OpenAPI text says: schemathesis asks for whatever the text allows, and for what it forbids."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from edgetune.agent.openapi import openapi
from tests.agent.conftest import Running

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method"
)


def test_answers_are_as_described(here: Running, tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(openapi()))
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        str(tmp_path / "openapi.json"),
        f"--url={here.agent.url}",
        "--tls-verify=false",
        f"--header=Authorization: Bearer {here.agent.token}",
        f"--checks={CHECKS}",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=15",
        "--seed=0",
        "--no-color",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
