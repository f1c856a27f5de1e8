"""A catalog of any size, and the data plane of one worker that follows it."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gateway.counters import private_counters
from gateway.dataplane import pipeline
from gateway.dataplane.allowances import Allowances
from gateway.dataplane.call import Call
from gateway.dataplane.configuration import Configuration, Parts, make_configuration
from gateway.dataplane.exchange import Exchange
from gateway.dataplane.guarded_authority import Introspection
from gateway.dataplane.leases import Grant, LeaseUnavailable
from gateway.dataplane.phantom_token import PhantomToken
from gateway.dataplane.plane import Plane
from gateway.dataplane.token_cache import TokenCache
from gateway.dataplane.upstreams import Upstreams
from gateway.dataplane.usage_journal import UsageJournal
from gateway.slices import collector_at_rest, run_in_slices
from gateway.snapshot_tables import Tables, read_tables
from wire.bearer import Prefix, mint
from wire.gateway_snapshot import API, Operation, Plan, Subscription, Upstream
from wire.snapshot_document import (
    Head,
    add_digests,
    digest_of,
    encode_document,
    encode_row,
    row_digest,
    write_digest,
)

if TYPE_CHECKING:
    import asyncio

_OPERATIONS = 10
_MEMBERS = {"gateway_url": "https://localhost:8443"}


class _NobodyAsked:
    """Stands for the token service and Valkey: every token is known, no plan has limits."""

    fleet = 1

    def submit(self, order: object) -> "asyncio.Future[Grant]":
        raise LeaseUnavailable(str(order))

    async def introspect(self, token: bytes, resource: str) -> Introspection | None:
        raise NotImplementedError(f"{len(token)} bytes for {resource}")


class _Inbound:
    """A request without a connection."""

    scheme, peer, query, method, call = "https", "127.0.0.1", b"", "GET", None

    def __init__(self, raw_path: bytes, token: bytes) -> None:
        self.raw_path = raw_path
        self.headers = [
            (b"host", b"localhost"),
            (b"accept", b"*/*"),
            (b"authorization", b"Bearer " + token),
        ]


class CatalogWorld:
    """`apis` with an upstream, a plan and ten operations each; `subscriptions` spread over them."""

    def __init__(self, apis: int, subscriptions: int) -> None:
        self._apis = [_make_api(at) for at in range(apis)]
        self._count = subscriptions
        self._tables = Tables()
        self._version = 1
        self._folder = TemporaryDirectory(prefix="tollgate-bench-")
        self._digest = 0
        nobody: Any = _NobodyAsked()
        self._parts = Parts(Upstreams(allow_internal=True), Allowances(nobody), "https://issuer")
        self._cache = TokenCache(max_entries=1000, max_bytes=10**8)
        counters = private_counters()
        self.plane = Plane(
            exchange=Exchange(
                cache=self._cache, authority=nobody, issuer="https://issuer", counters=counters
            ),
            journal=UsageJournal(Path(self._folder.name), node="bench"),
            counters=counters,
            hosts=["localhost"],
        )

    def document(self) -> bytes:
        """Return the whole snapshot."""
        rows: dict[str, Iterable[bytes]] = {
            "apis": [encode_row(asdict(api)) for api in self._apis],
            "upstreams": [_encode(Upstream(_id(2, n), f"http://127.0.0.1:{1024 + n}"))
                          for n in range(len(self._apis))],
            "plans": [_encode(Plan(_id(3, n), f"Plan {n}", (_id(1, n),)))
                      for n in range(len(self._apis))],
            "subscriptions": [_encode(self._subscription(n)) for n in range(self._count)],
        }  # fmt: skip
        self._digest = digest_of(_MEMBERS, rows)
        head = Head(self._version, write_digest(self._digest), members=_MEMBERS)
        return encode_document(head, rows)

    async def load(self, document: bytes) -> None:
        """Put a document in force as a worker does."""
        with collector_at_rest(len(document)):
            self._tables = await run_in_slices(read_tables(document, self._tables))
            configuration: Configuration = await run_in_slices(
                make_configuration(self._tables, self.plane.configuration, self._parts)
            )
        self.plane.configuration = configuration

    def subscription_changes(self, count: int) -> Iterator[bytes]:
        """Yield changes, each with one more subscription."""
        for at in range(count):
            line = _encode(self._subscription(self._count + at))
            yield self._change("subscriptions", line, b"")

    def api_changes(self, count: int) -> Iterator[bytes]:
        """Yield changes, each of another API."""
        for at in range(count):
            number = at % len(self._apis)
            before = self._apis[number]
            self._apis[number] = replace(before, name=f"Renamed {self._version}")
            yield self._change(
                "apis",
                encode_row(asdict(self._apis[number])),
                encode_row(asdict(before)),
            )

    def make_calls(self, count: int) -> list[_Inbound]:
        """Return calls of `count` clients, spread over the catalog, whose tokens are cached."""
        calls = []
        for at in range(count):
            number = at * self._count // count
            api = self._apis[number % len(self._apis)]
            token = mint(Prefix.ACCESS_TOKEN).encode()
            phantom = PhantomToken(
                authorization=b"Bearer x",
                client_id=self._subscription(number).client_id,
                subject="person",
                scopes=frozenset({"things:read"}),
                obtained_at=time.monotonic(),
                expires_at=time.monotonic() + 3600,
            )
            self._cache.keep(hashlib.sha256(token).digest(), api.resource, phantom)
            calls.append(_Inbound(f"{api.base_path}/things-{at % 10}/42".encode(), token))
        return calls

    def run_stages(self, inbound: Any) -> None:
        """Take a call through all stages but the last. Raises Refusal."""
        call = Call(inbound, time.monotonic())
        for stage in pipeline.STAGES[:-1]:
            if stage(self.plane, call) is not None:
                raise RuntimeError(f"{stage} waits")

    async def close(self) -> None:
        """Close what was opened."""
        await self._parts.upstreams.close()
        self._folder.cleanup()

    def _subscription(self, at: int) -> Subscription:
        return Subscription(
            _id(4, at), f"client-{at:08}-{at * 7919 % 99991:05}", _id(3, at % len(self._apis))
        )

    def _change(self, kind: str, line: bytes, before: bytes) -> bytes:
        self._digest = add_digests(self._digest, row_digest(kind, line))
        if before:
            self._digest = add_digests(self._digest, -row_digest(kind, before))
        since, self._version = self._version, self._version + 1
        head = Head(self._version, write_digest(self._digest), since, members=_MEMBERS)
        return encode_document(head, {kind: [line]})


def _make_api(at: int) -> API:
    return API(
        id=_id(1, at),
        slug=f"api-{at}",
        name=f"API {at}",
        base_path=f"/team-{at % 40}/api-{at}/v1",
        resource=f"https://localhost:8443/team-{at % 40}/api-{at}/v1",
        upstream_id=_id(2, at),
        operations=tuple(
            Operation(f"get_{n}", "GET", f"/things-{n}/{{thing_id}}", ("things:read",))
            for n in range(_OPERATIONS)
        ),
        scopes=("things:read",),
    )


def _id(kind: int, at: int) -> str:
    return f"0190a0b{kind}-0000-7000-8000-{at:012}"


def _encode(row: Any) -> bytes:
    return encode_row(asdict(row))
