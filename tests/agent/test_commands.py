"""The commands as a user types them: an agent, its host, a measurement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

EDGETUNE = str(Path(sys.executable).with_name("edgetune"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    return os.environ | {"EDGETUNE_AGENT": str(home / "agent"), "EDGETUNE_AGENTS": str(home / "agents.json")}


@pytest.fixture(scope="module")
def told(world: dict[str, str]) -> Iterator[dict[str, str]]:
    with subprocess.Popen([EDGETUNE, "agent", "--port", "0"], env=world, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield dict(process.stdout.readline().rstrip().split(maxsplit=1) for _ in range(3))
        process.terminate()


def edgetune(world: dict[str, str], *arguments: str | Path, code: int = 0) -> str:
    done = subprocess.run(
        [EDGETUNE, *map(str, arguments)],
        env=world,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def test_the_whole_way(world: dict[str, str], told: dict[str, str], model: Path) -> None:
    assert told["address"].startswith("https://127.0.0.1:"), "loopback unless told otherwise"
    keys = ("--token", told["token"])
    refusal = edgetune(world, "agents", "add", "pi", told["address"], *keys, code=2)
    assert told["fingerprint"] in refusal, "not trusted without a look"
    wrong = edgetune(world, "agents", "add", "pi", told["address"], *keys, "--fingerprint", 64 * "0", code=2)
    assert "certificate" in wrong
    edgetune(world, "agents", "add", "pi", told["address"], *keys, "--fingerprint", told["fingerprint"])
    (row,) = json.loads(edgetune(world, "agents", "ls", "--json"))
    assert (row["name"], row["health"]) == ("pi", "ready")
    assert told["token"] not in json.dumps(row)
    (found,) = json.loads(edgetune(world, "measure", model, "--agent", "pi", "--attempts", "1", "--json"))
    assert found["on"] == "pi"
    assert found["kind"] == "measured"
    assert found["job"]["timing"]["p50_ms"] > 0
    fresh = edgetune(world, "agent", "token").strip()
    assert "wrong" in edgetune(world, "measure", model, "--agent", "pi", code=2)
    edgetune(world, "agents", "add", "pi", told["address"], "--token", fresh, "--fingerprint", told["fingerprint"])
    edgetune(world, "agents", "rm", "pi")
    assert json.loads(edgetune(world, "agents", "--json")) == []
    assert "agents add" in edgetune(world, "agents")
    assert "in use" in edgetune(world, "agent", "--port", told["address"].rpartition(":")[2], code=2)


def test_one_bad_model_costs_no_other_its_figures(world: dict[str, str], model: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    options = ("--device", "host", "--attempts", "1", "--json")
    command = [EDGETUNE, "measure", str(bad), str(model), *options]
    done = subprocess.run(command, env=world, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and [row["model"] for row in json.loads(done.stdout)] == [str(model)]
    (error,) = done.stderr.splitlines()
    assert error.startswith(f"error: {bad}: not an ONNX file")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["measure", "x.onnx"], "--device host"),
        (["measure", "x.onnx", "--device", "rpi4"], "not at hand"),
        (["measure", "x.onnx", "--device", "host"], "no such file"),
        (["measure", "x.onnx", "--agent", "nobody"], "no agent"),
        (["measure", "x.onnx", "--device", "host", "--runtime", "onnxruntim"], "did you mean onnxruntime"),
        (["measure", "x.onnx", "--device", "host", "--input-shape", "1xbig"], "1x3x224x224"),
        (["agents", "add", "pi", "http://pi"], "not safe"),
        (["agents", "rm", "nobody"], "no agent"),
        (["agent", "--max-model", "5"], "no unit"),
        (["agent", "--host", "192.0.2.1", "--port", "0"], "Cannot assign requested address"),
        (["agents", "add", "pi", "https://pi", "--fingerprint", "0" * 64], "--token TOKEN"),
        (["agents", "add", "pi", "https://pi", "--fingerprint", "0" * 64, "--token", "…"], "not a token"),
        (["agent", "--host", ""], "0.0.0.0 is the whole network"),
        (["agent", "--max-time", "0s"], "1s to 24h"),
        (["agent", "--max-memory", "0B"], "1MiB or more"),
    ],
)
def test_bad_input_is_one_line(world: dict[str, str], arguments: list[str], words: str) -> None:
    (error,) = edgetune(world, *arguments, code=2).splitlines()
    assert error.startswith("error: ")
    assert words in error


def test_the_agent_is_light(world: dict[str, str]) -> None:
    """What `edgetune agent` imports, as torch's, NNI's and TVM's absence, and no runtime before a job."""
    code = (
        "import sys; import edgetune.cli, edgetune.agent.serve; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "nni", "tvm", "numpy", "onnx", "onnxruntime"} & set(done.stdout.split())


def test_a_token_is_made_when_it_can_be_told(world: dict[str, str], tmp_path: Path) -> None:
    """Not by a first start that cannot listen: the next one would keep it for itself."""
    apart = world | {"EDGETUNE_AGENT": str(tmp_path)}
    edgetune(apart, "agent", "--host", "192.0.2.1", "--port", "0", code=2)
    assert not (tmp_path / "token.sha256").exists()
