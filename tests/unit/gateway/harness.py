"""A data plane with everything real but the token service, which is a fake behind our own port."""

import asyncio
import base64
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.counters import private_counters
from gateway.dataplane.allowance import Allowances
from gateway.dataplane.configuration import prepare_configuration
from gateway.dataplane.exchange import AuthorityFailed, Exchange, Introspection
from gateway.dataplane.leases import Grant, LeaseUnavailable
from gateway.dataplane.pipeline import serve_call
from gateway.dataplane.plane import Plane
from gateway.dataplane.token_cache import TokenCache
from gateway.dataplane.upstreams import Upstreams
from wire.bearer import Prefix, mint
from wire.gateway_snapshot import (
    API,
    GatewaySnapshot,
    Operation,
    Plan,
    Quota,
    RateLimit,
    Subscription,
    Upstream,
)

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

    def submit(self, order) -> "asyncio.Future[Grant]":
        future = asyncio.get_running_loop().create_future()
        future.set_exception(LeaseUnavailable())
        return future


@dataclass
class RecordingJournal:
    rows: list[tuple] = field(default_factory=list)

    def record(self, key, status, *, request_bytes, response_bytes, latency_ms, now) -> None:
        self.rows.append((key, status, request_bytes, response_bytes))

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


class Harness:
    def __init__(self, upstream_url: str, *, office=None, **upstream_settings) -> None:
        self.upstream_url = upstream_url
        self.upstream_settings = upstream_settings
        self.authority = FakeAuthority()
        self.journal = RecordingJournal()
        self.counters = private_counters()
        self.cache = TokenCache(max_entries=100, max_bytes=1_000_000)
        self.exchange = Exchange(
            cache=self.cache, authority=self.authority, issuer=ISSUER, counters=self.counters
        )
        self.plane = Plane(
            exchange=self.exchange,
            journal=self.journal,
            counters=self.counters,
            hosts=["gateway.test"],
        )
        self.upstreams = Upstreams()
        self.allowances = Allowances(office or ClosedOffice())
        self.version = 0

    def configure(
        self,
        *operations: Operation,
        rate_limit: RateLimit | None = None,
        quota: Quota | None = None,
        subscriptions: Iterable[Subscription] = (Subscription("sub-1", "client-1", "plan-1"),),
        **api_settings,
    ) -> None:
        self.version += 1
        api = API(
            id="api-1",
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
            **api_settings,
        )
        snapshot = GatewaySnapshot(
            version=self.version,
            apis=(api,),
            upstreams=(Upstream("up-1", self.upstream_url, **self.upstream_settings),),
            plans=(Plan("plan-1", "Free", ("api-1",), rate_limit, quota),),
            subscriptions=tuple(subscriptions),
            gateway_url="https://gateway.test",
        )
        self.plane.configuration = prepare_configuration(
            snapshot, upstreams=self.upstreams, allowances=self.allowances, issuer=ISSUER
        )

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
        on_send=None,
        leaves: asyncio.Event | None = None,
    ) -> Answer:
        """Run one call; `leaves` is set when the client goes away."""
        raw = path.encode() if isinstance(path, str) else path
        raw_path, _, query = raw.partition(b"?")
        fields = [(b"host", host), *headers]
        if token is not None:
            fields.append((b"authorization", b"Bearer " + token))
        chunks = list(body)
        answer = Answer(0, [], b"", is_complete=False)

        async def receive():
            if chunks:
                return {"type": "http.request", "body": chunks.pop(0), "more_body": True}
            if not receive.ended:
                receive.ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await (leaves.wait() if leaves else asyncio.Event().wait())
            return {"type": "http.disconnect"}

        receive.ended = False

        async def send(message):
            if message["type"] == "http.response.start":
                answer.status, answer.headers = message["status"], list(message["headers"])
            else:
                answer.body += message["body"]
                answer.is_complete = not message.get("more_body", False)
            if on_send is not None:
                await on_send(message)

        scope = {
            "type": "http",
            "http_version": http_version,
            "method": method,
            "scheme": "https",
            "path": raw_path.decode("latin-1"),
            "raw_path": raw_path,
            "query_string": query,
            "headers": fields,
            "client": ("203.0.113.9", "51000"),
            "server": ("127.0.0.1", "8443"),
        }
        await serve_call(self.plane, scope, receive, send)
        return answer
