"""The token service, asked so that neither its outage nor a flood of junk hurts more than it must.

Questions wait in a fair queue. After five failures in a row the gateway asks a question of its own,
about a token that it makes up: only when that fails too is the token service left alone for a
while, and the same holds for the probe after the pause. So tokens that it chokes on, junk or not,
cannot keep others from being checked.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.counters import Counters
from gateway.dataplane.allowances import network_of
from gateway.dataplane.errors import AuthorityUnavailable
from gateway.dataplane.fair_queue import FairQueue, QueueTooLong
from gateway.dataplane.phantom_token import Claims, NonsenseAnswer, PhantomToken
from wire.bearer import Prefix, mint

_FAILURES_TO_OPEN: Final = 5
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 8.0
_UNAVAILABLE: Final = "The token service does not answer; try again."
_BUSY: Final = "Too many tokens are being checked at this moment; try again."


class AuthorityFailed(Exception):
    """The token service gave no usable answer; the text is for the log."""


class AuthorityRefusedUs(AuthorityFailed):
    """It refused the gateway's own credentials: somebody must be told."""


@dataclass(frozen=True, slots=True)
class Introspection:
    """An active token's JWT and how long the answer may be kept (None: not said; 0: not at all).

    Where the token service makes no JWT, `claims` says what the token is worth.
    """

    jwt: bytes
    max_age_seconds: float | None
    claims: Claims | None = None


class Authority(Protocol):
    """The token service."""

    async def introspect(self, token: bytes, resource: str) -> Introspection | None:
        """Return the JWT, or None when the token is not active.

        Raises AuthorityFailed and NonsenseAnswer.
        """


class Breaker:
    """After five failures in a row, ask at most once per pause (1 s, doubled up to 8 s)."""

    def __init__(self) -> None:
        self._failures = 0
        self._pause = _FIRST_PAUSE_SECONDS
        self._closed_until = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= _FAILURES_TO_OPEN

    @property
    def opens_next(self) -> bool:
        """Whether one more failure opens it."""
        return self._failures >= _FAILURES_TO_OPEN - 1

    def seconds_to_wait(self, now: float) -> float:
        """Return 0.0 when a call may go out; the one that goes out after a pause is the probe."""
        if not self.is_open:
            return 0.0
        if now < self._closed_until:
            return self._closed_until - now
        self._closed_until = now + self._pause
        return 0.0

    def succeeded(self) -> None:
        self._failures = 0
        self._pause = _FIRST_PAUSE_SECONDS

    def failed(self, now: float) -> None:
        self._failures += 1
        if self.is_open:
            self._closed_until = now + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)


class GuardedAuthority:
    """Asks on behalf of the exchange; every failure is an AuthorityUnavailable."""

    def __init__(self, authority: Authority, counters: Counters) -> None:
        self._authority = authority
        self._counters = counters
        self._breaker = Breaker()
        self._queue = FairQueue()
        self._probe: asyncio.Task[bool] | None = None

    async def ask(
        self,
        token: bytes,
        resource: str,
        client: str,
        read: Callable[[Introspection], PhantomToken | None],
    ) -> tuple[Introspection | None, PhantomToken | None]:
        """Return the answer and what `read` makes of it; both None when the token is inactive.

        `client` is the address whose turn it takes (of IPv6 the /64). Raises AuthorityUnavailable.
        """
        wait = self._breaker.seconds_to_wait(time.monotonic())
        if wait:
            raise AuthorityUnavailable(_UNAVAILABLE, int(wait) + 1)
        try:
            await self._queue.enter(network_of(client))
        except QueueTooLong as error:
            self._counters.add("introspections_crowded_out")
            raise AuthorityUnavailable(_BUSY, 1) from error
        try:
            return await self._ask(token, resource, read)
        except (AuthorityFailed, NonsenseAnswer) as error:
            raise AuthorityUnavailable(_UNAVAILABLE, 1) from error
        finally:
            self._queue.leave()

    async def _ask(
        self, token: bytes, resource: str, read: Callable[[Introspection], PhantomToken | None]
    ) -> tuple[Introspection | None, PhantomToken | None]:
        self._counters.add("introspections")
        try:
            answer = await self._authority.introspect(token, resource)
            phantom = None if answer is None else read(answer)
        except (AuthorityFailed, NonsenseAnswer) as error:
            self._count_failure(error)
            if self._breaker.opens_next and await self._is_alive(resource):
                self._succeed()
            else:
                self._fail()
            raise
        self._succeed()
        return answer, phantom

    def _succeed(self) -> None:
        self._breaker.succeeded()
        self._counters.set("authority_away", 0)
        self._counters.set("credentials_refused", 0)

    def _fail(self) -> None:
        self._breaker.failed(time.monotonic())
        self._counters.set("authority_away", int(self._breaker.is_open))

    async def _is_alive(self, resource: str) -> bool:
        """Whether the token service answers a question about a token that nobody has."""
        if self._probe is None:
            self._probe = asyncio.get_running_loop().create_task(self._ask_of_our_own(resource))
        return await asyncio.shield(self._probe)

    async def _ask_of_our_own(self, resource: str) -> bool:
        self._counters.add("introspections")
        try:
            answer = await self._authority.introspect(mint(Prefix.ACCESS_TOKEN).encode(), resource)
        except (AuthorityFailed, NonsenseAnswer) as error:
            self._count_failure(error)
            return False
        finally:
            self._probe = None
        # Nobody has this token: a service that knows it would know any.
        return answer is None

    def _count_failure(self, error: Exception) -> None:
        self._counters.add("introspection_failures")
        if isinstance(error, AuthorityRefusedUs):
            self._counters.add("gateway_credentials_refused")
            self._counters.set("credentials_refused", 1)
        elif isinstance(error, NonsenseAnswer):
            self._counters.add("introspection_nonsense")
