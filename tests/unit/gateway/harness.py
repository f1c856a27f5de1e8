"""A data plane with everything real but the token service, which is a fake behind our own port."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gateway.counters import private_counters
from gateway.dataplane import ledger
from gateway.dataplane.allowances import Allowances
from gateway.dataplane.call import Call
from gateway.dataplane.configuration import prepare_configuration
from gateway.dataplane.dpop_nonces import DPoPNonces
from gateway.dataplane.exchange import Exchange
from gateway.dataplane.guarded_authority import AuthorityFailed, Introspection
from gateway.dataplane.leases import Grant, LeaseUnavailable
from gateway.dataplane.pipeline import serve_call
from gateway.dataplane.plane import Plane
from gateway.dataplane.possession import Possession
from gateway.dataplane.token_cache import TokenCache
from gateway.dataplane.upstreams import Upstreams
from gateway.dataplane.usage_journal import BY_CLIENT, BY_GATEWAY, BY_UPSTREAM
from gateway.issuer_keys import IssuerKeys
from gateway.replay_register import LocalReplays
from gateway.usage.sent_file import SentFile
from wire.bearer import Prefix, mint
from wire.gateway_snapshot import (
    API,
    GatewaySnapshot,
    Issuer,
    Operation,
    Plan,
    Quota,
    RateLimit,
    Subscription,
    Upstream,
)

_CAUSES = {BY_UPSTREAM: "upstream", BY_CLIENT: "client", BY_GATEWAY: "gateway"}
ISSUER = "http://issuer.test"
RESOURCE = "https://api.test/orders"


def make_jwt(**claims) -> bytes:
    claims = {
        "iss": ISSUER,
        "aud": RESOURCE,
        "sub": "client-1",
        "client_id": "client-1",
        "scope": "orders:read",
        "exp": int(time.time()) + 600,
        **claims,
    }
    parts = [{"typ": "at+jwt", "alg": "ES256"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
    return b".".join([*encoded, b"c2lnbmF0dXJl"])


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for knows no events
            await asyncio.sleep(0.01)


@dataclass
class FakeAuthority:
    """Answers from a table of live tokens."""

    live: dict[bytes, bytes] = field(default_factory=dict)
    asked: list[tuple[bytes, str]] = field(default_factory=list)
    failure: AuthorityFailed | None = None
    delay_seconds: float = 0.0
    max_age_seconds: float | None = 300.0

    async def introspect(self, token: bytes, resource: str) -> Introspection | None:
        self.asked.append((token, resource))
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if self.failure is not None:
            raise self.failure
        jwt = self.live.get(token)
        return None if jwt is None else Introspection(jwt, self.max_age_seconds)

    def issue(self, **claims) -> bytes:
        token = mint(Prefix.ACCESS_TOKEN).encode()
        self.live[token] = make_jwt(**claims)
        return token


class ClosedOffice:
    """A lease office whose Valkey is away."""

    fleet = 1
    worker_id = "w"

    def __init__(self) -> None:
        self.counted: list[str] = []

    def count(self, name) -> None:
        self.counted.append(name)

    def submit(self, order) -> "asyncio.Future[Grant]":
        future = asyncio.get_running_loop().create_future()
        future.set_exception(LeaseUnavailable())
        return future


@dataclass
class RecordingJournal:
    rows: list[tuple] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    sent_file: SentFile = field(default_factory=SentFile.create)

    def record(
        self, key, outcome, *, request_bytes, response_bytes, latency_ms, now, mark=0
    ) -> None:
        self.rows.append((key, outcome & 0xFFFF, request_bytes, response_bytes))
        self.causes.append(_CAUSES[outcome & ~0xFFFF])

    def settle(self) -> None:
        pass

    def take_back(self) -> None:
        self.rows.pop()
        self.causes.pop()

    @property
    def statuses(self) -> list[int]:
        return [row[1] for row in self.rows]


@dataclass
class Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    is_complete: bool

    def values(self, name: str) -> list[str]:
        return [v.decode("latin-1") for k, v in self.headers if k.lower() == name.encode()]

    def value(self, name: str) -> str:
        found = self.values(name)
        assert len(found) == 1, (name, found)
        return found[0]

    @property
    def problem(self) -> dict:
        assert self.value("content-type") == "application/problem+json"
        return json.loads(self.body)


@dataclass
class FakeInbound:
    """A request without a connection: a body in pieces, and an answer that is kept."""

    method: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    announces_body: bool
    chunks: list[bytes]
    plane: Plane
    on_send: Callable | None = None
    scheme: str = "https"
    peer: str = "203.0.113.9"
    may_switch: bool = False
    call: Call | None = None
    sent: Answer = field(default_factory=lambda: Answer(0, [], b"", is_complete=False))

    async def read(self) -> bytes:
        if self.chunks and isinstance(self.chunks[0], asyncio.Event):
            await self.chunks.pop(0).wait()
        return self.chunks.pop(0) if self.chunks else b""

    def answer(self, status, fields, body, *, length=-1, closes=False) -> None:
        if self.method != "HEAD" and status != 204:
            length = len(body)
        self.begin(status, fields, length=length, closes=closes)
        if self.call is not None:
            ledger.meter(self.plane, self.call)
        self.sent.body = b"" if self.method == "HEAD" else body
        self.sent.is_complete = True
        if self.on_send is not None:
            coming = self.on_send({"body": body})  # it must not wait: the answer is one piece
            with contextlib.suppress(StopIteration):
                coming.send(None)

    def begin(self, status, fields, *, length=-1, closes=False) -> None:
        self.sent.status = status
        self.sent.headers = list(fields)
        if length >= 0:
            self.sent.headers.append((b"content-length", b"%d" % length))
        if closes:
            self.sent.headers.append((b"connection", b"close"))

    def write(self, piece):
        self.sent.body += piece
        return self.on_send({"body": piece}) if self.on_send is not None else None

    def finish(self, last=b""):
        ledger.meter(self.plane, self.call)
        waiting = self.write(last) if last else None
        self.sent.is_complete = True
        return waiting

    def close(self) -> None:
        """An answer that is not complete stays so; the call is forgotten, as by real requests."""
        self.call = None

    async def leave_when(self, leaves: asyncio.Event) -> None:
        await leaves.wait()
        self.call.client_left()


class Harness:
    def __init__(
        self,
        upstream_url: str,
        *,
        office=None,
        hops=None,
        authority=None,
        issuer: str = ISSUER,
        mint=None,
        **upstream_settings,
    ) -> None:
        self.upstream_url = upstream_url
        self.upstream_settings = upstream_settings
        self.authority = authority or FakeAuthority()
        self.issuer = issuer
        self.mint = mint
        self.journal = RecordingJournal()
        self.counters = private_counters()
        self.cache = TokenCache(max_entries=100, max_bytes=1_000_000)
        self.keys = IssuerKeys()
        self.exchange = Exchange(
            cache=self.cache,
            authority=self.authority,
            issuer=issuer,
            counters=self.counters,
            keys=self.keys,
            mint=mint,
            possession=Possession(
                nonces=DPoPNonces(b"a secret of the tests"), replays=LocalReplays()
            ),
        )
        self.plane = Plane(
            exchange=self.exchange,
            journal=self.journal,
            counters=self.counters,
            hosts=["gateway.test"],
            hops=hops,
        )
        self.upstreams = Upstreams()
        self.allowances = Allowances(office or ClosedOffice())
        self.version = 0

    def upstream(self) -> Upstream:
        settings = {"allow_internal": True, "slug": "orders"} | self.upstream_settings
        return Upstream("up-1", self.upstream_url, **settings)

    def configure(
        self,
        *operations: Operation,
        rate_limits: Iterable[RateLimit] = (),
        quotas: Iterable[Quota] = (),
        subscriptions: Iterable[Subscription] = (Subscription("sub-1", "client-1", "plan-1"),),
        issuers: tuple[Issuer, ...] = (),
        api_id: str = "api-1",
        **api_settings,
    ) -> None:
        self.version += 1
        api = API(
            id=api_id,
            slug="orders",
            name="Orders",
            base_path="/orders/v1",
            resource=RESOURCE,
            upstream_id="up-1",
            operations=operations
            or (
                Operation("get", "GET", "/orders/{id}", ("orders:read",)),
                Operation("create", "POST", "/orders", ("orders:read",)),
            ),
            issuer_ids=tuple(issuer.id for issuer in issuers),
            **api_settings,
        )
        snapshot = GatewaySnapshot(
            version=self.version,
            apis=(api,),
            upstreams=(self.upstream(),),
            plans=(Plan("plan-1", "Free", (api_id,), tuple(rate_limits), tuple(quotas)),),
            subscriptions=tuple(subscriptions),
            issuers=issuers,
            gateway_url="https://gateway.test",
        )
        self.plane.configuration = prepare_configuration(
            snapshot,
            upstreams=self.upstreams,
            allowances=self.allowances,
            issuer=self.issuer,
            jwks=self.mint.jwks if self.mint else b"",
            takes_certificates=bool(self.plane.hops),
        )
        self.cache.keep_issuers(frozenset(issuers))

    async def call(
        self,
        path: str | bytes = b"/orders/v1/orders/42",
        *,
        method: str = "GET",
        token: bytes | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (),
        body: Iterable[bytes] = (),
        http_version: str = "1.1",
        host: bytes = b"gateway.test",
        peer: str = "203.0.113.9",
        scheme: bytes = b"Bearer",
        on_send=None,
        leaves: asyncio.Event | None = None,
    ) -> Answer:
        """Run one call; `leaves` is set when the client goes away."""
        raw = path.encode() if isinstance(path, str) else path
        raw_path, _, query = raw.partition(b"?")
        fields = [(b"host", host), *headers]
        if token is not None:
            fields.append((b"authorization", scheme + b" " + token))
        inbound = FakeInbound(
            method=method,
            raw_path=raw_path,
            query=query,
            headers=fields,
            announces_body=http_version != "2",
            chunks=list(body),
            plane=self.plane,
            on_send=on_send,
            peer=peer,
        )
        leaving = asyncio.create_task(inbound.leave_when(leaves)) if leaves else None
        await serve_call(self.plane, inbound)
        if leaving is not None:
            leaving.cancel()
        return inbound.sent
