"""The open WebSockets of a worker: each ends when a call with its token would be refused.

Looked at four times a second. As long as a new call would find the token in the cache, nothing is
asked; a revoked token is not there any more, nor is one whose entry has ended, nor any after a gap
in the revocation feed: then the token service says what becomes of the socket.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from gateway.dataplane.call import Call
from gateway.dataplane.configuration import Configuration
from gateway.dataplane.decision import decide
from gateway.dataplane.errors import AuthorityUnavailable, Refusal, TooManyInvalidTokens
from gateway.dataplane.exchange import Exchange
from gateway.dataplane.foreign_tokens import is_jwt
from gateway.dataplane.phantom_token import PhantomToken
from gateway.upstream.websocket import Tunnel
from gateway.upstream.websocket_frames import POLICY_VIOLATION, TRY_AGAIN_LATER

_LOOK_SECONDS: Final = 0.25
_ASK_AGAIN_SECONDS: Final = 10.0  # of a token that may not be cached
_PATIENCE_SECONDS: Final = 30.0  # with a token service that does not answer
_NOT_VALID: Final = "The access token is no longer valid."
_NOT_ALLOWED: Final = "The call is no longer allowed."
_UNKNOWN: Final = "The access token cannot be checked."


class Grounds(Protocol):
    """What a right stands on (`plane.Plane`)."""

    exchange: Exchange
    configuration: Configuration | None


class Tunnels:
    """Who is connected, and with what right."""

    def __init__(self) -> None:
        self._open: set[_Watched] = set()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def watch(self, call: Call, tunnel: Tunnel) -> Iterator[None]:
        """Watch the tunnel meanwhile."""
        watched = _Watched(call, tunnel)
        self._open.add(watched)
        try:
            yield
        finally:
            self._open.discard(watched)
            watched.stop()

    async def run(self, grounds: Grounds) -> None:
        """Look for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.look(grounds, time.monotonic())

    def look(self, grounds: Grounds, now: float) -> None:
        """End the tunnels whose right is gone; ask where it is not known."""
        for watched in list(self._open):
            watched.look(grounds, now)


class _Watched:
    """One tunnel and the right that it stands on."""

    def __init__(self, call: Call, tunnel: Tunnel) -> None:
        self._call = call
        self._tunnel = tunnel
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")
        self._unanswered_since: float | None = None

    def stop(self) -> None:
        """Wait for no answer any more."""
        if self._asking is not None:
            self._asking.cancel()

    def look(self, grounds: Grounds, now: float) -> None:
        """See whether the next call would pass."""
        call = self._call
        assert call.route is not None  # noqa: S101 - a tunnel has one
        resource = call.route.api.resource
        phantom = grounds.exchange.find(call.digest, resource, now)
        if phantom is None:
            self._doubt(grounds, resource, now)
            return
        is_new = phantom is not call.phantom or grounds.configuration is not call.configuration
        if is_new or call.route.max_auth_age_seconds is not None:
            call.phantom = phantom
            self._decide(grounds)

    def _doubt(self, grounds: Grounds, resource: str, now: float) -> None:
        if grounds.exchange.cache.is_known_bad(self._call.digest, resource, now):
            self._tunnel.close(POLICY_VIOLATION, _NOT_VALID)
        elif self._asking is None and now - self._asked_at >= _ASK_AGAIN_SECONDS:
            self._asked_at = now
            self._asking = asyncio.get_running_loop().create_task(self._ask(grounds, resource))

    async def _ask(self, grounds: Grounds, resource: str) -> None:
        call = self._call
        try:
            call.phantom = await self._obtain(grounds.exchange, resource)
        except (AuthorityUnavailable, TooManyInvalidTokens):
            # The second is about others of the same address, and says nothing about this token.
            self._be_patient(time.monotonic())
        except Refusal:
            self._tunnel.close(POLICY_VIOLATION, _NOT_VALID)
        else:
            self._unanswered_since = None
            self._decide(grounds)
        finally:
            self._asking = None

    async def _obtain(self, exchange: Exchange, resource: str) -> PhantomToken:
        """Do as the stage `exchange_token`; the proof of a key was given with the handshake."""
        call = self._call
        assert call.route is not None  # noqa: S101 - a tunnel has one
        issuers = call.configuration.access.issuers.get(call.route.api.id)
        if issuers and exchange.foreign is not None and is_jwt(call.token):
            return await exchange.foreign.obtain(call.token, call.digest, resource, issuers)
        address = call.client_address
        return await exchange.obtain(call.token, call.digest, resource, address)

    def _be_patient(self, now: float) -> None:
        """Ask again in a moment, for so long as is bearable without an answer."""
        self._asked_at = now - _ASK_AGAIN_SECONDS + 1.0
        if self._unanswered_since is None:
            self._unanswered_since = now
        elif now - self._unanswered_since > _PATIENCE_SECONDS:
            self._tunnel.close(TRY_AGAIN_LATER, _UNKNOWN)

    def _decide(self, grounds: Grounds) -> None:
        """Authorise the call anew, by the configuration of the moment.

        Another API in the place of this one may be for others: the socket leads to the old one.
        """
        call, configuration = self._call, grounds.configuration
        assert configuration is not None  # noqa: S101 - there was one when the call came
        try:
            route = configuration.router.match(call.method, call.raw_path)
            decide(configuration, route, call.phantom)
        except Refusal:
            self._tunnel.close(POLICY_VIOLATION, _NOT_ALLOWED)
            return
        is_same = call.route is not None and route.api.id == call.route.api.id
        if not is_same or not route.api.allow_websocket:
            self._tunnel.close(POLICY_VIOLATION, _NOT_ALLOWED)
        call.configuration, call.route = configuration, route
