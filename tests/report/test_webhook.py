"""Against a real HTTPS server on this machine, with a certificate made for the test."""

from __future__ import annotations

import hashlib
import hmac
import shutil
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import BadStatusLine
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from edgetune.errors import ConfigError, WebhookError
from edgetune.report import webhook
from edgetune.report.webhook import SECRET, check_webhook, post, without_address


@dataclass
class Receiver:
    """Answers with the given codes in turn, then with 204, and keeps what it got."""

    codes: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    assert openssl, "the tests of the webhook need openssl"
    folder = tmp_path_factory.mktemp("tls")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture
def receiver(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.got.append((dict(self.headers), body))
            code = state.codes.pop(0) if state.codes else 204
            self.send_response(code)
            if code == 302:
                self.send_header("Location", "http://example.org/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.url = f"https://localhost:{server.server_port}/hook"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    monkeypatch.setenv("no_proxy", "*")
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_receiver_can_check_who_sent_what_and_when(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "shared")
    post(receiver.url, b'{"schema": 2}')
    ((headers, body),) = receiver.got
    assert body == b'{"schema": 2}' and headers["Content-Type"] == "application/json"
    signed = headers["X-Edgetune-Timestamp"].encode() + b"." + body
    assert headers["X-Edgetune-Signature"] == "sha256=" + hmac.new(b"shared", signed, hashlib.sha256).hexdigest()


def test_without_a_secret_nothing_is_signed(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET, raising=False)
    post(receiver.url, b"{}")
    assert "X-Edgetune-Signature" not in receiver.got[0][0]


def test_a_server_that_is_down_is_tried_again_later_and_later(receiver: Receiver) -> None:
    waits: list[float] = []
    receiver.codes = [503, 500]
    post(receiver.url, b"{}", wait=waits.append)
    assert len(receiver.got) == 3 and waits == list(webhook.WAITS[:2])


@pytest.mark.parametrize(("codes", "attempts"), [([404], 1), ([302], 1), ([500] * 9, len(webhook.WAITS) + 1)])
def test_it_gives_up(receiver: Receiver, codes: list[int], attempts: int) -> None:
    receiver.codes = list(codes)
    with pytest.raises(WebhookError, match=str(codes[0])):
        post(receiver.url, b"{}", wait=lambda seconds: None)
    assert len(receiver.got) == attempts


def test_who_answers_something_else_than_http_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def open(self, request: object, timeout: float) -> None:
            raise BadStatusLine("SSH-2.0")

    waits: list[float] = []
    monkeypatch.setattr(urllib.request, "build_opener", lambda *_: Broken())
    with pytest.raises(WebhookError, match="SSH"):
        post("https://localhost/", b"{}", wait=waits.append)
    assert waits == list(webhook.WAITS)


def test_a_certificate_of_a_stranger_is_refused(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(WebhookError, match="CERTIFICATE"):
        post(receiver.url, b"{}", wait=lambda seconds: None)
    assert not receiver.got


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "ftp://x/",
        "example.org",
        "https://",
        "https://me:pw@host/",
        "https://host:99999/",
        "https://host:x/",
        "https://ho st/",
        "https://host/a\nb",
        "https://höst/",
        "",
        "https://[::1",
        "https://a..b/x",
        f"https://{'a' * 64}.org/",
    ],
)
def test_what_could_leak_or_names_no_host_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_webhook(url)
    assert url in ("", "https://") or url not in str(refused.value)


def test_an_address_is_told_without_its_secret_part(receiver: Receiver) -> None:
    receiver.codes = [404]
    with pytest.raises(WebhookError, match="https://localhost/…") as refused:
        post(receiver.url, b"{}")
    assert "hook" not in str(refused.value).replace("--webhook", "")


def test_a_command_is_kept_without_the_address() -> None:
    for given in (["--webhook", "https://example.org/T0?token=x"], ["--webhook=https://example.org/T0?token=x"]):
        kept = " ".join(without_address(["search", *given, "--seed", "1"]))
        assert "T0" not in kept and "token" not in kept
        assert "example.org" in kept and kept.endswith("--seed 1")
