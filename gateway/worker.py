"""One worker process: builds the parts, runs the background tasks, takes them down in order."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

from gateway.access_log import JSONAccessLog
from gateway.config import Config
from gateway.control_client import BatchRefused, ControlClient
from gateway.counters import Counters, claim_counters
from gateway.dataplane.allowances import Allowances
from gateway.dataplane.configuration import Configuration, Parts, make_configuration
from gateway.dataplane.dpop_nonces import DPoPNonces
from gateway.dataplane.entitlements import PlansInForce
from gateway.dataplane.exchange import Exchange
from gateway.dataplane.guarded_authority import Authority
from gateway.dataplane.guessing import GuessingGuard
from gateway.dataplane.minted_jwt import JWTMint
from gateway.dataplane.plane import Plane
from gateway.dataplane.possession import Possession
from gateway.dataplane.token_cache import TokenCache
from gateway.dataplane.upstreams import Upstreams
from gateway.dataplane.usage_journal import UsageJournal
from gateway.foreign_authority import ForeignAuthority
from gateway.ims_client import IMSClient
from gateway.issuer_keys import IssuerKeys
from gateway.lease_office import LeaseOffice
from gateway.quota_seeds import QuotaSeeder
from gateway.recent_calls import RecentCalls
from gateway.replay_register import SharedReplays
from gateway.revocations import RevocationFollower
from gateway.series import Series
from gateway.signing_key import load_signing_key
from gateway.slices import Steps, run_in_slices
from gateway.snapshot import SnapshotFollower
from gateway.snapshot_store import SnapshotStore
from gateway.snapshot_tables import Tables
from gateway.target_report import TargetReport
from gateway.tracing.otlp_exporter import OTLPExporter, Tracing
from gateway.tracing.tracer import Tracer
from gateway.usage.alerts import UsageAlerts
from gateway.usage.sent_file import SentFile
from gateway.usage.shipper import BatchRejected, UsageShipper
from wire.usage_batch import UsageBatch

_SWEEP_SECONDS: Final = 1.0
_CACHE_SWEEP_EVERY: Final = 30
_DRAIN_POLL_SECONDS: Final = 0.05
_CUT_SECONDS: Final = 1.0
_CANCEL_AGAIN_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class Worker:
    """Everything one process needs to serve calls."""

    def __init__(self, config: Config) -> None:
        """Claims a worker slot and opens the usage journal. Raises OSError."""
        self._config = config
        self.counters: Counters = claim_counters(config.run_directory)
        name = f"{config.node}-{self.counters.slot}"
        self._ims = IMSClient(config)
        self._authority, self._mint = _choose_authority(config, self._ims)
        self._control = ControlClient(config, self._ims)
        self._office = LeaseOffice(
            redis_url=config.redis_url,
            worker=name,
            workers=config.workers,
            counters=self.counters,
        )
        self._allowances = Allowances(self._office)
        self._office.on_recovery = self._allowances.valkey_is_back
        self._seeder = QuotaSeeder(self._control, self._office, self.counters)
        self._allowances.on_missing = self._seeder.want
        self._upstreams = Upstreams(allow_internal=config.allows_internal_upstreams)
        targets = config.run_directory / f"targets-{self.counters.slot}"
        self._targets = TargetReport(self._upstreams, targets)
        self._parts = Parts(
            self._upstreams,
            self._allowances,
            config.token_issuer,
            jwks=self._mint.jwks if self._mint else b"",
            takes_certificates=bool(config.trusted_hops),
        )
        self._journal = UsageJournal(
            config.usage_directory, node=name, sent_file=SentFile.inherited()
        )
        self._shipper = UsageShipper(
            self._journal,
            config.usage_directory,
            send=self._send_usage,
            report=self._control.send_usage_report,
        )
        self._alerts = UsageAlerts(self._journal, self._shipper, self.counters)
        self._access_log = (
            JSONAccessLog(config.access_log, self.counters.slot) if config.access_log else None
        )
        self._keys = IssuerKeys()
        self._replays = SharedReplays(redis_url=config.redis_url, counters=self.counters)
        self._sample = RecentCalls(self._control.send_recent_calls, self.counters)
        self.plane = self._make_plane()
        self.tracing = self._make_tracing(name)
        self._snapshots = SnapshotFollower(
            source=self._control,
            store=SnapshotStore(config.directory),
            apply=self._apply,
            counters=self.counters,
        )
        self._revocations = RevocationFollower(
            feed=self._ims, exchange=self.plane.exchange, counters=self.counters
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._shipping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the last good snapshot and start the background tasks."""
        self._snapshots.load_from_disk()
        await self._office.beat()
        jobs: list[Callable[[], Coroutine[Any, Any, None]]] = [
            self._snapshots.run,
            self._revocations.watch_loss,
            self._office.run,
            self._sample.run,
            self._seeder.run,
            self._sweep,
            partial(self.plane.tunnels.run, self.plane),
        ]
        if self._config.introspection is None:
            # Another vendor has no feed: entries are asked for again as if it were lost.
            jobs.append(self._revocations.run)
        if self.tracing is not None:
            jobs.append(self.tracing.run)
        if self._access_log is not None:
            jobs.append(self._access_log.run)
        self._tasks = [asyncio.create_task(_keep_running(job)) for job in jobs]
        self._shipping = asyncio.create_task(self._shipper.run())

    async def drain(self) -> None:
        """Wait for the calls under way, and for clients to take their last bytes."""
        plane = self.plane
        deadline = time.monotonic() + self._config.drain_seconds
        while (plane.in_flight or plane.leaving) and time.monotonic() < deadline:  # noqa: ASYNC110 - once per life
            await asyncio.sleep(_DRAIN_POLL_SECONDS)

    async def cut(self) -> None:
        """End the calls that are left, after their connections: each takes note, and is counted."""
        plane = self.plane
        for call in list(plane.in_flight):
            call.client_left()
            if call.task is not None:
                call.task.cancel()
        deadline = time.monotonic() + _CUT_SECONDS
        while (plane.in_flight or plane.leaving) and time.monotonic() < deadline:  # noqa: ASYNC110 - once per life
            await asyncio.sleep(_DRAIN_POLL_SECONDS)

    async def stop(self) -> None:
        """Give leases back, ship the last usage. No call is under way any more."""
        await _cancel(self._tasks)
        self._allowances.give_back()
        await self._office.close()
        if self._shipping is not None:
            await _cancel([self._shipping])
        self._journal.close()
        if self._access_log is not None:
            await self._access_log.close()
        await _within(1.0, self._sample.flush())
        if self.tracing is not None:
            await _within(2.0, self.tracing.close())
        await self._upstreams.close()
        if isinstance(self._authority, ForeignAuthority):
            await _within(1.0, self._authority.close())
        for client in (self._control, self._ims, self._keys, self._replays):
            await _within(1.0, client.close())

    def _make_tracing(self, name: str) -> Tracing | None:
        settings = self._config.tracing
        if settings is None:
            return None
        self.plane.keeps_times = True
        exporter = OTLPExporter(settings, node=name, counters=self.counters)
        return Tracing(Tracer(settings, self._config.trusted_hops, exporter.take), exporter)

    def _make_plane(self) -> Plane:
        config = self._config
        cache = TokenCache(max_entries=config.max_cached_tokens, max_bytes=config.max_cached_bytes)
        plane = Plane(
            exchange=Exchange(
                cache=cache,
                authority=self._authority,
                issuer=config.token_issuer,
                counters=self.counters,
                keys=self._keys,
                possession=Possession(
                    nonces=DPoPNonces(config.client_secret.encode()), replays=self._replays
                ),
                mint=self._mint,
                guessing=_guessing(config),
            ),
            journal=self._journal,
            counters=self.counters,
            hosts=config.hosts,
            any_token_format=config.takes_any_token,
            access_log=self._access_log,
            hops=config.trusted_hops,
            series=Series(config.run_directory / f"labels-{self.counters.slot}"),
        )
        plane.sample = self._sample
        return plane

    def _apply(self, tables: Tables) -> Steps[None]:
        plane = self.plane
        previous = plane.configuration
        plane.configuration = yield from make_configuration(tables, previous, self._parts)
        rows = tables.rows["issuers"]
        if previous is None or previous.tables.rows["issuers"] is not rows:
            issuers = frozenset(rows.values())
            self._keys.keep_only(issuers)
            plane.exchange.cache.keep_issuers(issuers)

    async def _send_usage(self, batch: UsageBatch) -> None:
        try:
            await self._control.send_usage(batch)
        except BatchRefused as error:
            raise BatchRejected(str(error)) from error

    async def _forget_allowances(self, configuration: Configuration | None) -> None:
        if configuration is not None:
            rows = configuration.tables.rows
            in_force = PlansInForce(rows["subscriptions"], rows["plans"])
            await run_in_slices(self._allowances.keep_only(in_force))

    async def _sweep(self) -> None:
        cache = self.plane.exchange.cache
        turn = 0
        swept: Configuration | None = None
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            turn += 1
            now = time.monotonic()
            self._allowances.sweep(now)
            if swept is not self.plane.configuration:
                swept = self.plane.configuration
                await self._forget_allowances(swept)
            if turn % _CACHE_SWEEP_EVERY == 0:
                cache.sweep(now)
            self.counters.set("cached_tokens", len(cache))
            self.counters.set("cached_bytes", cache.size_bytes)
            self.counters.set("limit_leases", len(self._allowances))
            self.counters.set("calls_in_flight", len(self.plane.in_flight))
            self._targets.export()
            self._alerts.export()
            if os.getppid() != _PARENT:
                # The parent was killed: nobody would ever stop this process.
                _log.error("the gateway's parent process is gone, the worker stops")
                os.kill(os.getpid(), signal.SIGTERM)


def _guessing(config: Config) -> GuessingGuard | None:
    bound = config.invalid_tokens_a_minute
    return GuessingGuard(bound) if bound > 0 else None


_PARENT: Final = os.getppid()


def _choose_authority(config: Config, ours: IMSClient) -> tuple[Authority, JWTMint | None]:
    """Return who is asked about tokens, and who makes JWTs where that one makes none."""
    if config.introspection is None:
        return ours, None
    mint = JWTMint(load_signing_key(config.signing_key), config.public_url)
    return ForeignAuthority(config.introspection), mint


async def _keep_running(job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a task again when it fails: a defect, but no reason to stop serving."""
    while True:
        try:
            await job()
        except Exception:  # noqa: BLE001 - whatever it is, the log has it
            _log.exception("a background task failed and is started again")
        await asyncio.sleep(_SWEEP_SECONDS)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    waiting = set(tasks)
    while waiting:
        # Again and again: a library that takes a cancellation for a time-out of its own goes on.
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_CANCEL_AGAIN_SECONDS)


async def _within(seconds: float, action: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await action
    except TimeoutError:
        _log.info("connections were dropped at the end")
