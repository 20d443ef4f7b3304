"""The summary, posted to whatever decides next: HTTPS only, signed, tried again when the other side is down."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import SplitResult, urlsplit

from edgetune.errors import ConfigError, WebhookError

SECRET = "EDGETUNE_WEBHOOK_SECRET"
"""The environment variable with the shared secret; on the command line every user of the machine could read it."""
FLAG = "--webhook"
WAITS = (1.0, 4.0, 16.0)  # seconds between the attempts
TIMEOUT = 20.0  # seconds an attempt


def check_webhook(url: str) -> None:
    """Refuses what could leak the summary or the secret.

    Raises
    ------
    ConfigError
        Not HTTPS, no host, a port or characters that no address has, or a password in the address.
    """
    parts = _parts(url)
    if parts is None or parts.scheme != "https" or not _is_plain(url):
        raise ConfigError("not an https address", where=FLAG, mend="give https://HOST/PATH")
    if parts.username or parts.password:
        raise ConfigError("an address with a password", where=FLAG, mend=f"put the secret into {SECRET}")


def _parts(url: str) -> SplitResult | None:
    """Nothing where no host can have such a name, or no server such a port."""
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")  # as the connection will: labels of 1 to 63 letters
        return parts if parts.hostname and parts.port != 0 else None
    except ValueError:  # of which UnicodeError is one
        return None


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url


def shown(url: str) -> str:
    """Scheme and host of an address, for messages: to most receivers the rest is the secret.

    >>> shown("https://hooks.example.org:444/services/T0/B1")
    'https://hooks.example.org/…'
    """
    parts = _parts(url)
    return f"{parts.scheme}://{parts.hostname}/…" if parts else "the webhook"


def without_address(arguments: Sequence[str]) -> list[str]:
    """A command's arguments, to be kept and published, without the rest of the webhook's address.

    >>> without_address(["search", "--webhook", "https://example.org/T0", "--webhook=https://example.org/T0"])
    ['search', '--webhook', 'https://example.org/…', '--webhook=https://example.org/…']
    """
    kept: list[str] = []
    for argument in arguments:
        flag, equals, value = argument.partition("=")
        if kept and kept[-1] == FLAG:
            kept.append(shown(argument))
        else:
            kept.append(f"{FLAG}={shown(value)}" if flag == FLAG and equals else argument)
    return kept


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over the time stamp, a full stop and the body; the time stamp lets the receiver refuse old posts.

    >>> signature(b"key", "0", b"{}")[:14]
    'sha256=7314351'
    """
    return f"sha256={hmac.new(secret, timestamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def post(url: str, body: bytes, *, wait: Callable[[float], None] = time.sleep) -> None:
    """Posts JSON, signed where `EDGETUNE_WEBHOOK_SECRET` is set. A server's error or silence is tried three times more.

    Raises
    ------
    ConfigError
        The address is refused, see :func:`check_webhook`.
    WebhookError
        The receiver refuses (4xx), redirects, or stays away.
    """
    check_webhook(url)
    opener = urllib.request.build_opener(_NoRedirect)
    for pause in (*WAITS, None):
        try:
            with opener.open(_request(url, body), timeout=TIMEOUT):
                return
        except urllib.error.HTTPError as error:
            reason, final = f"HTTP {error.code}", error.code < 500 and error.code != 429
            error.close()
        except (OSError, HTTPException) as error:  # no route, no answer or a broken one, a bad certificate
            reason, final = str(getattr(error, "reason", error)) or type(error).__name__, False
        if final or pause is None:
            later = "edgetune report RUN --webhook URL later"
            raise WebhookError(f"not delivered: {reason}", where=shown(url), mend=later)
        wait(pause)


def _request(url: str, body: bytes) -> urllib.request.Request:
    timestamp = str(int(time.time()))
    headers = {"Content-Type": "application/json", "User-Agent": "edgetune", "X-Edgetune-Timestamp": timestamp}
    if secret := os.environ.get(SECRET):
        headers["X-Edgetune-Signature"] = signature(secret.encode(), timestamp, body)
    return urllib.request.Request(url, data=body, headers=headers, method="POST")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could lead to plain HTTP, or to another host: it is an error."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Any:
        return None
