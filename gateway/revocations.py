"""Follow the revocation feed: a revoked token is dropped here within the feed's round trip.

While the feed is lost for more than 10 s, entries older than 60 s are asked for again, so a
revoked token lives 70 s at most; when the token service is lost too, entries serve until they end.
"""

import asyncio
import logging
import time
from typing import Final, Protocol

from gateway.counters import Counters
from gateway.dataplane.exchange import STALE_AFTER_SECONDS, Exchange
from gateway.dataplane.guarded_authority import AuthorityFailed
from wire.revocation_feed import RevocationPage

_LOST_AFTER_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 3.0
_BREATH_SECONDS: Final = 0.1
_TICK_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Feed(Protocol):
    """The token service's feed."""

    async def read_revocations(self, cursor: int | None) -> RevocationPage:
        """Return the next page; None asks for the present cursor. Raises AuthorityFailed."""


class RevocationFollower:
    """Keeps one worker's token cache free of revoked tokens."""

    def __init__(self, *, feed: Feed, exchange: Exchange, counters: Counters) -> None:
        self._feed = feed
        self._exchange = exchange
        self._counters = counters
        self._cursor: int | None = None
        self._lost_since: float | None = time.monotonic()

    async def run(self) -> None:
        """Follow for ever."""
        pause = _PAUSE_SECONDS
        while True:
            try:
                page = await self._feed.read_revocations(self._cursor)
            except AuthorityFailed as error:
                self._lose(error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                continue
            pause = _PAUSE_SECONDS
            is_news = page.digests or page.reset or self._cursor is None
            self._take(page)
            if not is_news:
                # A server that does not wait must not be asked in a tight circle.
                await asyncio.sleep(_BREATH_SECONDS)

    async def watch_loss(self) -> None:
        """Age the cache while the feed is lost; for ever."""
        while True:
            self.check_loss(time.monotonic())
            await asyncio.sleep(_TICK_SECONDS)

    def check_loss(self, now: float) -> None:
        """Set which entries are too old to be trusted without the feed."""
        lost = 0.0 if self._lost_since is None else now - self._lost_since
        self._counters.set("feed_lost_seconds", int(lost))
        if lost > _LOST_AFTER_SECONDS:
            self._exchange.stale_before = now - STALE_AFTER_SECONDS
        else:
            self._exchange.stale_before = float("-inf")

    def _lose(self, error: AuthorityFailed) -> None:
        self._counters.add("revocation_feed_failures")
        if self._lost_since is None:
            self._lost_since = time.monotonic()
            _log.warning("the revocation feed is lost: %s", error)

    def _take(self, page: RevocationPage) -> None:
        cache = self._exchange.cache
        if self._cursor is None or page.reset:
            # What was revoked between an exchange and this cursor was never told to us.
            cache.clear()
        cache.revoke(page.digests, time.monotonic())
        self._cursor = page.cursor
        if page.digests:
            self._counters.add("revoked_digests", len(page.digests))
        if self._lost_since is not None:
            self._lost_since = None
            _log.info("the revocation feed is followed from %d", page.cursor)
