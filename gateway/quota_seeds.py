"""Quotas of which Valkey has no count begin with what is metered, not with nothing."""

import asyncio
import logging
from typing import Final, Protocol

from gateway.control_client import ControlFailed
from gateway.counters import Counters
from gateway.dataplane.leases import Grant, LeaseUnavailable, Order
from gateway.dataplane.quota import SEED_SCRIPT, Seed

_RETRY_SECONDS: Final = 5.0
_MOST_WAITING: Final = 10_000

_log = logging.getLogger(__name__)


class Meter(Protocol):
    """Who knows what is metered."""

    async def count_metered_calls(self, subscription_id: str, since: int) -> int:
        """Return the calls since `since`. Raises ControlFailed."""


class Office(Protocol):
    """Where orders go."""

    def submit(self, order: Order) -> "asyncio.Future[Grant]":
        """Return the answer to come; it may be LeaseUnavailable."""


class QuotaSeeder:
    """Asks for the metered calls one by one, in the background: no call waits for it."""

    def __init__(self, meter: Meter, office: Office, counters: Counters) -> None:
        self._meter = meter
        self._office = office
        self._counters = counters
        self._waiting: asyncio.Queue[Seed] = asyncio.Queue(_MOST_WAITING)

    def want(self, seed: Seed) -> None:
        """Take note that a quota has no count; more than can be asked for are left as they are."""
        try:
            self._waiting.put_nowait(seed)
        except asyncio.QueueFull:
            self._counters.add("quota_seed_failures")

    async def run(self) -> None:
        """Seed what is wanted, for ever."""
        while True:
            seed = await self._waiting.get()
            try:
                await self._plant(seed)
            except (ControlFailed, LeaseUnavailable) as error:
                self._counters.add("quota_seed_failures")
                _log.warning("A quota has no count, and what is metered is not known: %s", error)
                self.want(seed)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _plant(self, seed: Seed) -> None:
        calls = await self._meter.count_metered_calls(seed.subscription_id, seed.since)
        grant = await self._office.submit(Order(SEED_SCRIPT, seed.key, (calls, seed.ends)))
        if grant.granted:
            self._counters.add("quota_seeds")
            _log.info("a quota of subscription %s goes on at %d calls", seed.subscription_id, calls)
