"""The phantom token exchange: an opaque token in, the JWT for one API out.

RFC 7662 with `Accept: application/jwt`. One introspection is in flight per token and resource;
what the token service cannot answer is 503, never 401: an outage says nothing about a token.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.counters import Counters
from gateway.dataplane.errors import AuthorityUnavailable, InvalidToken
from gateway.dataplane.foreign_tokens import ForeignTokens, KeySource
from gateway.dataplane.phantom_token import (
    Expectations,
    NonsenseAnswer,
    PhantomToken,
    read_phantom_token,
)
from gateway.dataplane.possession import Possession
from gateway.dataplane.token_cache import TokenCache

_FAILURES_TO_OPEN: Final = 5
_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 8.0
_INVALID: Final = "The access token is expired, revoked or unknown."
_UNAVAILABLE: Final = "The token service does not answer; try again."
# How old an entry may be while the revocation feed is lost.
STALE_AFTER_SECONDS: Final = 60.0


class AuthorityFailed(Exception):
    """The token service gave no usable answer; the text is for the log."""


class AuthorityRefusedUs(AuthorityFailed):
    """It refused the gateway's own credentials: somebody must be told."""


@dataclass(frozen=True, slots=True)
class Introspection:
    """An active token's JWT and how long the answer may be kept (None: not said; 0: not at all)."""

    jwt: bytes
    max_age_seconds: float | None


class Authority(Protocol):
    """The token service."""

    async def introspect(self, token: bytes, resource: str) -> Introspection | None:
        """Return the JWT, or None when the token is not active. Raises AuthorityFailed."""


class Breaker:
    """After five failures in a row, ask at most once per pause (1 s, doubled up to 8 s)."""

    def __init__(self) -> None:
        self._failures = 0
        self._pause = _FIRST_PAUSE_SECONDS
        self._closed_until = 0.0

    def seconds_to_wait(self, now: float) -> float:
        """Return 0.0 when a call may go out; the one that goes out after a pause is the probe."""
        if self._failures < _FAILURES_TO_OPEN:
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
        if self._failures >= _FAILURES_TO_OPEN:
            self._closed_until = now + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)


class Exchange:
    """Exchanges tokens, keeping and sharing the answers."""

    def __init__(
        self,
        *,
        cache: TokenCache,
        authority: Authority,
        issuer: str,
        counters: Counters,
        keys: KeySource | None = None,
        possession: Possession | None = None,
    ) -> None:
        """Without `keys`, JWT access tokens of other issuers are not taken.

        Without `possession`, none are that are bound to a key.
        """
        self.possession = possession
        self.cache = cache
        self.foreign = (
            None if keys is None else ForeignTokens(cache=cache, keys=keys, counters=counters)
        )
        # Entries obtained before this moment are asked for again (the revocation feed is lost).
        self.stale_before = float("-inf")
        self._authority = authority
        self._issuer = issuer
        self._counters = counters
        self._breaker = Breaker()
        self._flights: dict[tuple[bytes, str], asyncio.Task[PhantomToken | None]] = {}

    def find(self, digest: bytes, resource: str, now: float) -> PhantomToken | None:
        """Return the cached token when nobody needs to be asked."""
        token = self.cache.find(digest, resource, now)
        if token is None or token.obtained_at < self.stale_before:
            return None
        return token

    async def obtain(self, token: bytes, digest: bytes, resource: str) -> PhantomToken:
        """Return the token's JWT for `resource`. Raises InvalidToken or AuthorityUnavailable.

        When the token service cannot be asked, an entry that is only stale serves on.
        """
        now = time.monotonic()
        if self.cache.is_known_bad(digest, resource, now):
            self._counters.add("negative_cache_hits")
            raise InvalidToken(_INVALID)
        try:
            phantom = await self._join_flight(token, digest, resource)
        except AuthorityUnavailable:
            stale = self.cache.find(digest, resource, time.monotonic())
            if stale is None:
                raise
            self._counters.add("stale_tokens_served")
            return stale
        if phantom is None:
            raise InvalidToken(_INVALID)
        return phantom

    async def _join_flight(self, token: bytes, digest: bytes, resource: str) -> PhantomToken | None:
        key = (digest, resource)
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._ask(token, digest, resource))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        # Shielded: one caller that goes away must not fail the others.
        return await asyncio.shield(flight)

    def _land(self, key: tuple[bytes, str], flight: "asyncio.Task[PhantomToken | None]") -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # every caller may be gone; an error nobody reads is no warning

    async def _ask(self, token: bytes, digest: bytes, resource: str) -> PhantomToken | None:
        wait = self._breaker.seconds_to_wait(time.monotonic())
        if wait:
            raise AuthorityUnavailable(_UNAVAILABLE, int(wait) + 1)
        self._counters.add("introspections")
        try:
            answer = await self._authority.introspect(token, resource)
            phantom = self._read(answer, resource) if answer is not None else None
        except (AuthorityFailed, NonsenseAnswer) as error:
            self._breaker.failed(time.monotonic())
            self._count_failure(error)
            raise AuthorityUnavailable(_UNAVAILABLE, 1) from error
        self._breaker.succeeded()
        return self._keep(digest, resource, phantom, answer)

    def _read(self, answer: Introspection, resource: str) -> PhantomToken:
        return read_phantom_token(
            answer.jwt,
            Expectations(self._issuer, resource),
            max_age_seconds=answer.max_age_seconds,
            unix_now=time.time(),
            now=time.monotonic(),
        )

    def _keep(
        self,
        digest: bytes,
        resource: str,
        phantom: PhantomToken | None,
        answer: Introspection | None,
    ) -> PhantomToken | None:
        now = time.monotonic()
        if phantom is None or answer is None:
            self.cache.remember_bad(digest, resource, now)
            return None
        if answer.max_age_seconds is not None and answer.max_age_seconds <= 0:
            # no-store: good for the calls that waited for it, unless it was revoked meanwhile.
            return None if self.cache.is_known_bad(digest, resource, now) else phantom
        return phantom if self.cache.keep(digest, resource, phantom) else None

    def _count_failure(self, error: Exception) -> None:
        self._counters.add("introspection_failures")
        if isinstance(error, AuthorityRefusedUs):
            self._counters.add("gateway_credentials_refused")
        elif isinstance(error, NonsenseAnswer):
            self._counters.add("introspection_nonsense")
