"""The door stays shut: what an attacker on the network, or a model from outside, may try."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import http.client
import json
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from starlette.types import Message, Receive, Scope, Send

from edgetune.agent import listener, serve
from edgetune.agent.audit import Audit
from edgetune.agent.guard import FREE_TRIES, REQUESTS, FailedTokens, Guard
from edgetune.agent.home import Certificate, Token
from edgetune.agent.measure import sha256_of
from edgetune.errors import AgentError, MeasurementError
from tests.agent.conftest import Running
from tests.agent.models import QUICK_REQUEST, convolution, endless, greedy, make_model


def raw(here: Running) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", here.agent.port), timeout=30))


def ask(here: Running, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    """A request by hand; the status and the error's code."""
    connection = http.client.HTTPConnection("127.0.0.1")
    connection.sock = raw(here)
    token = {"authorization": f"Bearer {here.agent.token}"}
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in (token | headers).items()})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text).get("error", {}).get("code", "") if text[:1] == b"{" else ""


@pytest.mark.parametrize("path", ["/v1/board", "/v1/openapi.json", "/v1/jobs/" + 32 * "0", "/", "/nowhere"])
def test_nothing_is_told_without_a_token(here: Running, path: str) -> None:
    assert ask(here, "GET", path, authorization="") == (401, "wrong_token")
    assert ask(here, "GET", path)[0] != 401


@pytest.mark.parametrize(
    "change", [str.lower, str.upper, lambda t: t[:-1], lambda t: t + "A", lambda t: "", lambda t: "é"]
)
def test_a_wrong_token_is_refused(here: Running, change: Callable[[str], str]) -> None:
    given = f"Bearer {change(here.agent.token)}".encode().decode("latin-1")
    assert ask(here, "GET", "/v1/board", authorization=given) == (401, "wrong_token")
    assert ask(here, "GET", "/v1/board")[0] == 200


def test_10_000_wrong_tokens_do_not_pass_and_are_slowed_down(tmp_path: Path) -> None:
    """A try every 10 ms of a clock wound by hand: 100 s, in which at most a dozen tokens are looked at."""
    now = [0.0]
    Token(tmp_path).renew()
    looked_at: list[int] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("a wrong token passed")

    guard = Guard(
        inside, token=Token(tmp_path), failed=FailedTokens(lambda: now[0]), audit=Audit(tmp_path / "audit.log")
    )

    async def receive() -> Message:
        raise AssertionError("a body was read")

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            looked_at.append(message["status"])

    async def attack() -> None:
        for _ in range(10_000):
            guess = f"Bearer {secrets.token_urlsafe(32)}".encode()
            scope = {"type": "http", "client": ("192.0.2.1", 1), "path": "/", "headers": [(b"authorization", guess)]}
            await guard(scope, receive, send)
            now[0] += 0.01

    asyncio.run(attack())
    assert len(looked_at) == 10_000
    assert FREE_TRIES < looked_at.count(401) <= 12
    assert looked_at.count(429) == 10_000 - looked_at.count(401)
    assert len((tmp_path / "audit.log").read_text().splitlines()) == looked_at.count(401)


def test_who_guesses_waits_and_others_do_not() -> None:
    failed = FailedTokens(lambda: 0.0)
    for _ in range(100):
        failed.failed("2001:db8::1")
    assert failed.wait("2001:db8::ffff") == 60.0, "the same network"
    assert failed.wait("2001:db8:1::1") == failed.wait("192.0.2.1") == 0.0
    for number in range(5000):
        failed.failed(f"10.0.{number // 256}.{number % 256}")
    assert len(failed.failures) <= 4096


def test_an_old_token_ends_with_its_rotation(start: Callable[..., Running]) -> None:
    one = start()
    assert ask(one, "GET", "/v1/board")[0] == 200
    fresh = Token(one.folder).renew()
    assert ask(one, "GET", "/v1/board") == (401, "wrong_token")
    assert ask(one, "GET", "/v1/board", authorization=f"Bearer {fresh}")[0] == 200


def test_a_token_has_128_bits_and_is_kept_as_a_hash(tmp_path: Path) -> None:
    secret = Token(tmp_path).renew()
    assert len(secret) * 6 >= 128
    kept = Token(tmp_path).path
    assert secret not in kept.read_text()
    assert kept.stat().st_mode & 0o077 == 0
    assert Certificate(tmp_path).ensure()
    assert Certificate(tmp_path).key.stat().st_mode & 0o077 == 0


def test_plain_http_gets_nothing(here: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", here.agent.port, timeout=10)
    connection.request("GET", "/v1/board", headers={"authorization": f"Bearer {here.agent.token}"})
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()


def test_old_tls_gets_nothing(here: Running) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode, context.maximum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", here.agent.port)) as plain:
        context.wrap_socket(plain)


def test_another_certificate_is_refused_before_the_token_is_sent(here: Running, tmp_path: Path) -> None:
    other = Certificate(tmp_path).ensure()
    impostor = replace(here.agent, fingerprint=other)
    log = here.folder / "audit.log"
    before = log.read_text() if log.exists() else ""
    with pytest.raises(AgentError, match="certificate"):
        Running(impostor, tmp_path).client().board()
    assert (log.read_text() if log.exists() else "") == before


@pytest.mark.parametrize(
    "name",
    ["..%2f..%2fetc%2fpasswd", "../" * 5 + "etc/passwd", "%00", 63 * "a", 64 * "A", 65 * "0", "%2e%2e", "token.sha256"],
)
@pytest.mark.parametrize("room", ["models", "jobs"])
def test_a_name_is_never_a_path(here: Running, room: str, name: str) -> None:
    before = sorted(here.folder.rglob("*"))
    for method in ("GET", "PUT"):
        assert ask(here, method, f"/v1/{room}/{name}", b"{}")[0] in (404, 405, 422)
    assert sorted(here.folder.rglob("*")) == before


def test_a_body_of_10_gb_is_refused_when_it_is_announced(here: Running) -> None:
    with raw(here) as stream:
        head = f"PUT /v1/models/{64 * '0'} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {here.agent.token}\r\n"
        stream.sendall(f"{head}content-length: {10**10}\r\n\r\n".encode())
        assert b" 413 " in stream.recv(4096).splitlines()[0]


def test_an_endless_body_is_cut_where_it_is_too_large(here: Running) -> None:
    with raw(here) as stream:
        head = f"PUT /v1/models/{64 * '0'} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {here.agent.token}\r\n"
        stream.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        with contextlib.suppress(OSError):
            for _ in range(100):
                stream.sendall(b"10000\r\n" + bytes(2**16) + b"\r\n")
        with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
            assert b" 413 " in stream.recv(4096).splitlines()[0]
    assert not [p for p in (here.folder / "models").iterdir() if p.name.startswith(".")]


def test_a_body_that_is_not_what_its_name_says_is_not_kept(here: Running) -> None:
    assert ask(here, "PUT", f"/v1/models/{64 * '0'}", b"something") == (422, "wrong_hash")
    assert ask(here, "GET", f"/v1/models/{64 * '0'}") == (404, "no_such_model")


def test_a_packed_body_is_not_unpacked(here: Running) -> None:
    bomb = gzip.compress(bytes(10**8))
    digest = hashlib.sha256(bomb).hexdigest()
    assert ask(here, "PUT", f"/v1/models/{digest}", bomb, content_encoding="gzip")[0] == 201
    assert (here.folder / "models" / digest).stat().st_size == len(bomb) < 10**6


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"{" * 5000,
        b"[" * 100_000,
        b'{"model": "../../etc/passwd"}',
        b'{"model": "' + b"0" * 64 + b'", "custom_ops_library": "/tmp/evil.so"}',
        b'{"model": "' + b"0" * 64 + b'", "threads": 1e9}',
        b'{"model": "' + b"0" * 64 + b'", "protocol": {"max_seconds": 1e12}}',
        b'{"model": "' + b"0" * 64 + b'", "protocol": {"max_seconds": NaN}}',
    ],
)
def test_a_request_that_is_not_valid_is_refused(here: Running, body: bytes) -> None:
    status, code = ask(here, "PUT", f"/v1/jobs/{32 * '0'}", body)
    assert (status, code) in ((422, "not_valid"), (413, "body_too_large"))


def test_machine_code_runs_only_where_it_is_allowed(here: Running) -> None:
    body = json.dumps({"model": 64 * "0", "runtime": "tvm"}).encode()
    assert ask(here, "PUT", f"/v1/jobs/{32 * '0'}", body) == (403, "native_not_allowed")


def test_a_slow_loris_is_shown_the_door(start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "HEADER_SECONDS", 0.5)
    one = start()
    with raw(one) as stream:
        began = time.monotonic()
        stream.sendall(b"GET /v1/board HTTP/1.1\r\n")
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 20:
                stream.sendall(b"x: y\r\n")
                stream.settimeout(0.1)
                with contextlib.suppress(TimeoutError):
                    if stream.recv(1) == b"":
                        break
        assert time.monotonic() - began < 10
    assert ask(one, "GET", "/v1/board")[0] == 200


def test_idle_connections_keep_nobody_out(start: Callable[..., Running]) -> None:
    """More of them than requests may run at once, without a word and without a token."""
    one = start()
    with contextlib.ExitStack() as stack:
        for _ in range(REQUESTS + 6):
            stack.enter_context(raw(one))
        assert ask(one, "GET", "/v1/board")[0] == 200


def test_connections_are_counted_before_they_begin_tls(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "CONNECTIONS_OF_ONE", 4)
    one = start()
    with contextlib.ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection((one.agent.host, one.agent.port), timeout=20))
            for _ in range(6)
        ]
        for stream in silent[4:]:
            with contextlib.suppress(ConnectionResetError):
                assert stream.recv(1) == b"", "let go of at once"
    with one.client() as client:
        assert client.board().jobs == 0, "counted until they are closed, no longer"


def test_who_never_begins_tls_is_shown_the_door(start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "HEADER_SECONDS", 0.5)
    one = start()
    place = (one.agent.host, one.agent.port)
    with socket.create_connection(place, timeout=20) as stream, contextlib.suppress(ConnectionResetError):
        assert stream.recv(1) == b""


def test_someone_elses_wrong_tokens_make_an_owner_wait_not_fail(start: Callable[..., Running]) -> None:
    one = start()
    for _ in range(FREE_TRIES):
        assert ask(one, "GET", "/v1/board", authorization="Bearer wrong")[0] == 401
    assert ask(one, "GET", "/v1/board")[0] == 429, "the address has to wait"
    with one.client() as client:
        assert client.board().jobs == 0


def test_a_slow_body_is_refused(start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgetune.agent.app.CHUNK_SECONDS", 0.5)
    one = start()
    with raw(one) as stream:
        head = f"PUT /v1/models/{64 * '0'} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {one.agent.token}\r\n"
        stream.sendall(f"{head}content-length: 1000\r\n\r\nx".encode())
        assert b" 408 " in stream.recv(4096).splitlines()[0]
    assert not list((one.folder / "models").iterdir())


def test_200_clients_at_once_are_all_answered(here: Running) -> None:
    answers: list[int] = []

    def one() -> None:
        answers.append(ask(here, "GET", "/v1/board")[0])

    threads = [threading.Thread(target=one) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == 200
    assert set(answers) <= {200, 503}
    assert answers.count(200) >= 50
    assert ask(here, "GET", "/v1/board")[0] == 200


def external(location: str) -> onnx.ModelProto:
    model = convolution()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return model


def hidden(tensor_model: onnx.ModelProto) -> onnx.ModelProto:
    """The same, in a constant of a branch."""
    tensor = tensor_model.graph.initializer[0]
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    branch = helper.make_graph([constant], "b", [], [helper.make_tensor_value_info("c", TensorProto.FLOAT, None)])
    yes = helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("t", TensorProto.BOOL, [], [True]))
    choice = helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    return make_model([yes, choice], [1, 3, 8, 8], "y")


def custom_operator() -> onnx.ModelProto:
    model = make_model([helper.make_node("Evil", ["x"], ["y"], domain="evil.ops")], [1, 3, 8, 8], "y")
    model.opset_import.append(helper.make_opsetid("evil.ops", 1))
    return model


def shapeless() -> onnx.ModelProto:
    """An input of unknown rank, which onnxruntime takes for a single number."""
    model = make_model([helper.make_node("Relu", ["x"], ["y"])], [1], "y")
    model.graph.input[0].type.tensor_type.ClearField("shape")
    return model


def cached_context() -> onnx.ModelProto:
    node = helper.make_node(
        "EPContext", ["x"], ["y"], domain="com.microsoft", ep_cache_context="/etc/passwd", embed_mode=0
    )
    return make_model([node], [1, 3, 8, 8], "y")


BAD_MODELS = {
    "external data": (external("/etc/passwd").SerializeToString(), "model_refused"),
    "external data above": (external("../../../etc/passwd").SerializeToString(), "model_refused"),
    "external data in a branch": (hidden(external("/etc/passwd")).SerializeToString(), "model_refused"),
    "custom operator": (custom_operator().SerializeToString(), "model_refused"),
    "cached context": (cached_context().SerializeToString(), "model_refused"),
    "not ONNX": (b"PK\x03\x04" + bytes(1000), "model_refused"),
    "empty": (b"", "model_refused"),
    "no shape": (shapeless().SerializeToString(), "model_refused"),
    "a batch of 8": (
        make_model([helper.make_node("Relu", ["x"], ["y"])], [8, 3, 4, 4], "y").SerializeToString(),
        "model_refused",
    ),
    "cut off": (convolution().SerializeToString()[:300], "model_refused"),
    "protobuf bomb": (b"\x3a\x80\x80\x04" * 20_000, "model_refused"),  # graphs within graphs, each announcing more
    "memory": (greedy().SerializeToString(), "out_of_memory"),
    "old opset": (
        make_model([helper.make_node("Relu", ["x"], ["y"])], [1, 3], "y", opset=1).SerializeToString(),
        "model_refused",
    ),
}


@pytest.mark.parametrize("kind", BAD_MODELS)
def test_a_bad_model_costs_its_job_alone(here: Running, kind: str, tmp_path: Path) -> None:
    content, code = BAD_MODELS[kind]
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with here.client() as client:
        with pytest.raises(MeasurementError) as error:
            client.measure(path, QUICK_REQUEST)
        assert error.value.code == code
        assert "root:" not in str(error.value)
        assert client.board().jobs == 0


def test_an_endless_model_can_be_ended_from_outside(here: Running, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "endless.onnx"
    onnx.save(endless(), path)
    digest, job = sha256_of(path), f"/v1/jobs/{secrets.token_hex(16)}"
    with here.client() as client:
        client.send(path, digest)
        assert client.link.ask("PUT", job, json.dumps({"model": digest}).encode()).status == 202
        assert client.link.ask("DELETE", job).status == 200
        answer = client.link.ask("GET", f"{job}?wait=20")
        assert answer.body["error"]["code"] == "cancelled"
        assert client.measure(model, QUICK_REQUEST).latency_ms > 0


def test_two_that_start_at_once_show_one_certificate(tmp_path: Path) -> None:
    """As a service does and, while it starts, `edgetune agent fingerprint`."""
    code = f"""
from pathlib import Path
from edgetune.agent.home import Certificate
print(Certificate(Path({str(tmp_path / "agent")!r})).ensure())
"""
    folder = tmp_path / "agent"
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)]
    told = {process.communicate(timeout=60)[0] for process in started}
    assert told == {f"{Certificate(folder).fingerprint()}\n".encode()}
    ssl.create_default_context().load_cert_chain(Certificate(folder).certificate, Certificate(folder).key)
