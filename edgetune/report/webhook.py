"""The summary, posted to whatever decides next: HTTPS only, signed, tried again when the other side is down."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.parse import SplitResult, urlsplit

from edgetune.errors import ConfigError, WebhookError

SECRET = "EDGETUNE_WEBHOOK_SECRET"
"""The environment variable with the shared secret; on the command line every user of the machine could read it."""
WAITS = (1.0, 4.0, 16.0)  # seconds between the attempts
TIMEOUT = 20.0  # seconds an attempt


def check_webhook(url: str) -> None:
    """Refuses what could leak the summary or the secret.

    Raises
    ------
    ConfigError
        Not HTTPS, no host, a port or characters that no address has, or a password in the address.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or not _is_plain(url) or not _has_port(parts):
        raise ConfigError(f"{url!r} is not an https address", where="--webhook", mend="give https://HOST/PATH")
    if parts.username or parts.password:
        raise ConfigError("an address with a password", where="--webhook", mend=f"put the secret into {SECRET}")


def _is_plain(url: str) -> bool:
    return url.isascii() and url.isprintable() and " " not in url


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


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
            raise WebhookError(f"not delivered: {reason}", where=url, mend="edgetune report RUN --webhook URL later")
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
