"""The phantom token exchange: an opaque token in, the JWT for one API out.

RFC 7662 with `Accept: application/jwt`. One introspection is in flight per token and resource;
what the token service cannot answer is 503, never 401: an outage says nothing about a token.
"""

import asyncio
import time
from typing import Final

from gateway.counters import Counters
from gateway.dataplane.errors import AuthorityUnavailable, InvalidToken
from gateway.dataplane.foreign_tokens import ForeignTokens, KeySource
from gateway.dataplane.guarded_authority import Authority, GuardedAuthority, Introspection
from gateway.dataplane.guessing import GuessingGuard
from gateway.dataplane.minted_jwt import JWTMint
from gateway.dataplane.phantom_token import (
    Expectations,
    NonsenseAnswer,
    PhantomToken,
    read_phantom_token,
)
from gateway.dataplane.possession import Possession
from gateway.dataplane.token_cache import TokenCache

_INVALID: Final = "The access token is expired, revoked or unknown."
# How old an entry may be while the revocation feed is lost.
STALE_AFTER_SECONDS: Final = 60.0


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
        mint: JWTMint | None = None,
        guessing: GuessingGuard | None = None,
    ) -> None:
        """Without `keys`, JWT access tokens of other issuers are not taken.

        Without `possession`, none are that are bound to a key. `mint` makes JWTs where the token
        service does not. Without `guessing`, anybody may have any number of tokens asked about.
        """
        self.guessing = guessing
        self._mint = mint
        self.possession = possession
        self.cache = cache
        self.foreign = (
            None if keys is None else ForeignTokens(cache=cache, keys=keys, counters=counters)
        )
        # Entries obtained before this moment are asked for again (the revocation feed is lost).
        self.stale_before = float("-inf")
        self._authority = GuardedAuthority(authority, counters)
        self._issuer = issuer
        self._counters = counters
        self._flights: dict[tuple[bytes, str], asyncio.Task[PhantomToken | None]] = {}

    def find(self, digest: bytes, resource: str, now: float) -> PhantomToken | None:
        """Return the cached token when nobody needs to be asked."""
        token = self.cache.find(digest, resource, now)
        if token is None or token.obtained_at < self.stale_before:
            return None
        return token

    async def obtain(
        self, token: bytes, digest: bytes, resource: str, client: str = ""
    ) -> PhantomToken:
        """Return the token's JWT for `resource`.

        Raises InvalidToken, TooManyInvalidTokens or AuthorityUnavailable.
        `client` is the address that it came from: addresses take turns when many tokens wait.
        When the token service cannot be asked, an entry that is only stale serves on.
        """
        now = time.monotonic()
        if self.cache.is_known_bad(digest, resource, now):
            self._counters.add("negative_cache_hits")
            raise InvalidToken(_INVALID)
        try:
            phantom = await self._join_flight(token, digest, resource, client)
        except AuthorityUnavailable:
            stale = self.cache.find(digest, resource, time.monotonic())
            if stale is None:
                raise
            self._counters.add("stale_tokens_served")
            return stale
        if phantom is None:
            raise InvalidToken(_INVALID)
        return phantom

    async def _join_flight(
        self, token: bytes, digest: bytes, resource: str, client: str
    ) -> PhantomToken | None:
        key = (digest, resource)
        flight = self._flights.get(key)
        if flight is None:
            now = time.monotonic()
            # A token in use that is asked about again, because the feed is lost, is no guess.
            if self.guessing is not None and self.cache.find(digest, resource, now) is None:
                self.guessing.check(client, now)
            flight = asyncio.get_running_loop().create_task(
                self._ask(token, digest, resource, client)
            )
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        # Shielded: one caller that goes away must not fail the others.
        return await asyncio.shield(flight)

    def _land(self, key: tuple[bytes, str], flight: "asyncio.Task[PhantomToken | None]") -> None:
        self._flights.pop(key, None)
        if not flight.cancelled():
            flight.exception()  # every caller may be gone; an error nobody reads is no warning

    async def _ask(
        self, token: bytes, digest: bytes, resource: str, client: str
    ) -> PhantomToken | None:
        def read(answer: Introspection) -> PhantomToken | None:
            return self._read(answer, resource)

        times_cleared = self.cache.times_cleared
        answer, phantom = await self._authority.ask(token, resource, client, read)
        if answer is None and self.guessing is not None:
            self.guessing.note(client, time.monotonic())
        is_cleared = self.cache.times_cleared != times_cleared
        return self._keep(digest, resource, phantom, answer, is_cleared=is_cleared)

    def _read(self, answer: Introspection, resource: str) -> PhantomToken | None:
        expected = Expectations(self._issuer, resource)
        if answer.claims is not None:
            if self._mint is None:
                raise NonsenseAnswer("The token service made no JWT.")
            return self._mint.make(
                answer.claims,
                expected,
                max_age_seconds=answer.max_age_seconds,
                unix_now=time.time(),
                now=time.monotonic(),
            )
        return read_phantom_token(
            answer.jwt,
            expected,
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
        *,
        is_cleared: bool,
    ) -> PhantomToken | None:
        now = time.monotonic()
        if phantom is None or answer is None:
            self.cache.remember_bad(digest, resource, now)
            return None
        if is_cleared or (answer.max_age_seconds is not None and answer.max_age_seconds <= 0):
            # no-store, or the feed begins anew and will not tell what was revoked since the answer:
            # good for the calls that waited for it, unless it was revoked meanwhile.
            return None if self.cache.is_known_bad(digest, resource, now) else phantom
        return phantom if self.cache.keep(digest, resource, phantom) else None
