"""The door: every request shows the token; who guesses waits, longer each time."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from edgetune.agent.answers import answer_refusal
from edgetune.agent.audit import Audit
from edgetune.agent.home import Token
from edgetune.agent.wire import Refusal

FREE_TRIES = 5
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds
MOST_ADDRESSES = 4096
REQUESTS = 64
"""At once; those beyond are told to come back later."""


class FailedTokens:
    """Counts wrong tokens by address; after a few, each one shuts the door to that address for twice as long.

    Parameters
    ----------
    clock
        Seconds of a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def wait(self, address: str) -> float:
        """Seconds that `address` has to wait before its token is looked at."""
        _, until = self.failures.get(network_of(address), (0, 0.0))
        return max(0.0, until - self.clock())

    def failed(self, address: str) -> None:
        network = network_of(address)
        count = self.failures.pop(network, (0, 0.0))[0] + 1
        over = count - FREE_TRIES
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(over, 20)) if over >= 0 else 0.0
        self.failures[network] = (count, self.clock() + wait)
        if len(self.failures) > MOST_ADDRESSES:
            self.failures.popitem(last=False)

    def passed(self, address: str) -> None:
        self.failures.pop(network_of(address), None)


def network_of(address: str) -> str:
    """One who has an IPv6 address has 2⁶⁴ of them."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else address


class Guard:
    """ASGI middleware that lets through what carries the token, so many at once, before a request's body is read."""

    def __init__(self, app: ASGIApp, *, token: Token, failed: FailedTokens, audit: Audit) -> None:
        self.app, self.token, self.failed, self.audit = app, token, failed, audit
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self.check(scope)
        except Refusal as refusal:
            await answer_refusal(refusal)(scope, receive, send)
            return
        self.requests += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.requests -= 1

    def check(self, scope: Scope) -> None:
        address = scope["client"][0] if scope.get("client") else "unknown"
        if wait := self.failed.wait(address):
            headers = {"retry-after": str(int(wait) + 1), "connection": "close"}
            raise Refusal(429, "too_many_wrong_tokens", "too many wrong tokens", mend="wait", headers=headers)
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.token.matches(given.strip()):
            self.failed.passed(address)
            if self.requests >= REQUESTS:
                raise Refusal(503, "busy", "too much to do", mend="try again later", headers={"retry-after": "1"})
            return
        self.failed.failed(address)
        self.audit.write("token refused", client=address, path=scope["path"][:200])
        headers = {"www-authenticate": "Bearer", "connection": "close"}
        mend = "`edgetune agent token` on the board makes a new one"
        raise Refusal(401, "wrong_token", "no token, or a wrong one", mend=mend, headers=headers)
