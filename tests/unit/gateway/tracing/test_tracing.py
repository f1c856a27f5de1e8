"""Traces against a real little collector over HTTP, through the whole pipeline."""

import asyncio
import ipaddress
import json
from functools import partial

import pytest

from gateway.dataplane.pipeline import serve_call
from gateway.dataplane.trusted_hops import TrustedHops
from gateway.front import listener
from gateway.front.shared import Front
from gateway.tracing import otlp_exporter
from gateway.tracing.otlp_exporter import OTLPExporter
from gateway.tracing.settings import TraceSettings, read_settings
from gateway.tracing.tracer import Tracer
from tests.unit.gateway.harness import FakeInbound
from tests.unit.gateway.raw_upstream import run_raw_upstream

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
PROXY = TrustedHops([ipaddress.ip_network("203.0.113.9/32")])


def parent(flags="01"):
    return [(b"traceparent", f"00-{TRACE}-{SPAN}-{flags}".encode())]


class World:
    """A gateway that traces, and the collector that it sends spans to."""

    def __init__(self, gateway, collector):
        self.gateway, self.collector = gateway, collector
        self.use()

    def use(self, *, ratio=1.0, parent="continue", hops=None):
        settings = TraceSettings(
            self.collector.url, ratio, parent, ((b"x-api-key", b"collector-secret"),)
        )
        self.exporter = OTLPExporter(settings, node="node-1", counters=self.gateway.counters)
        self.tracer = Tracer(settings, hops or TrustedHops(), self.exporter.take)
        self.gateway.plane.keeps_times = True

    async def call(self, *, headers=(), token=None, query=b"", path=b"/orders/v1/orders/42"):
        fields = [(b"host", b"gateway.test"), *headers]
        if token is not None:
            fields.append((b"authorization", b"Bearer " + token))
        inbound = FakeInbound(
            "GET", path, query, fields, announces_body=True, chunks=[], plane=self.gateway.plane
        )
        await self.tracer.serve(partial(serve_call, self.gateway.plane), inbound)
        return inbound.sent

    async def spans(self):
        await self.exporter.flush()
        return [
            span
            for request in self.collector.requests
            for resource in json.loads(request.body)["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
        ]


@pytest.fixture
async def world(gateway):
    async with run_raw_upstream() as collector:
        made = World(gateway, collector)
        yield made
        await made.exporter.close()


def attributes(span):
    return {row["key"]: next(iter(row["value"].values())) for row in span["attributes"]}


async def test_call_is_two_spans_and_the_upstream_is_told(world, upstream):
    token = world.gateway.authority.issue()

    answer = await world.call(token=token, headers=[*parent(), (b"tracestate", b"a=1")])

    client, server = await world.spans()
    assert (server["traceId"], server["parentSpanId"], server["kind"]) == (TRACE, SPAN, 2)
    assert (client["traceId"], client["parentSpanId"]) == (TRACE, server["spanId"])
    assert upstream.last.values("traceparent") == [f"00-{TRACE}-{client['spanId']}-01"]
    assert upstream.last.values("tracestate") == ["a=1"]
    assert server["name"] == "GET /orders/v1/orders/{id}"
    assert attributes(server) == {
        "http.request.method": "GET",
        "http.response.status_code": "200",
        "http.route": "/orders/v1/orders/{id}",
        "tollgate.api": "orders",
        "tollgate.operation": "get",
        "tollgate.subscription": "sub-1",
        "tollgate.client_id": "client-1",
        "tollgate.request_id": answer.value("x-request-id"),
    }
    times = [
        int(span[name])
        for span in (server, client)
        for name in ("startTimeUnixNano", "endTimeUnixNano")
    ]
    assert times[0] <= times[2] <= times[3] <= times[1]


async def test_call_of_a_real_connection_is_traced(world):
    plane = world.gateway.plane
    front = Front(plane, partial(world.tracer.serve, partial(serve_call, plane)), scheme="http")
    accepting = await listener.listen(front, listener.open_socket("127.0.0.1", 0), None)
    reader, writer = await asyncio.open_connection(*accepting.sockets[0].getsockname())

    writer.write(b"GET /nowhere HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\r\n")
    await reader.read()
    writer.close()
    accepting.close()

    assert [span["kind"] for span in await world.spans()] == [2]


async def test_request_to_the_collector_is_otlp_json(world):
    await world.call()
    await world.spans()

    assert world.collector.last.request_line == "POST /v1/traces HTTP/1.1"
    assert world.collector.last.values("content-type") == ["application/json"]
    assert world.collector.last.values("x-api-key") == ["collector-secret"]
    resource = json.loads(world.collector.last.body)["resourceSpans"][0]["resource"]
    assert attributes(resource) == {
        "service.name": "tollgate-gateway",
        "service.instance.id": "node-1",
    }


async def test_spans_hold_no_token_path_or_query(world):
    token = world.gateway.authority.issue()
    await world.call(token=token, query=b"key=hunter2", path=b"/orders/v1/orders/s3cr3t")
    await world.spans()

    body = world.collector.last.body
    for secret in (token, b"hunter2", b"s3cr3t", world.gateway.authority.live[token]):
        assert secret not in body


async def test_refusal_is_a_server_span_with_its_reason(world):
    await world.call(headers=parent())

    (server,) = await world.spans()
    assert attributes(server)["error.type"] == "/problems/credentials-missing"
    assert server["status"] == {}  # the client's mistake, not ours


async def test_upstream_that_fails_is_an_error(world, upstream):
    upstream.answer = b"nonsense\r\n\r\n"
    await world.call(token=world.gateway.authority.issue())

    assert [span["status"] for span in await world.spans()] == [{"code": 2}, {"code": 2}]


async def test_parent_that_is_not_sampled_is_continued_and_not_exported(world, upstream):
    await world.call(token=world.gateway.authority.issue(), headers=parent("00"))

    assert await world.spans() == []
    (told,) = upstream.last.values("traceparent")
    assert told.startswith(f"00-{TRACE}-")
    assert told.endswith("-00")


@pytest.mark.parametrize(("ratio", "count"), [(0.0, 0), (1.0, 20)])
async def test_ratio_decides_where_a_trace_begins(world, ratio, count):
    world.use(ratio=ratio)
    for _ in range(20):
        await world.call()

    spans = await world.spans()
    assert len({span["traceId"] for span in spans}) == count


async def test_ratio_takes_about_its_share(world):
    world.use(ratio=0.5)
    for _ in range(400):
        await world.call()

    assert 120 < len(await world.spans()) < 280  # 8 standard deviations


async def test_stranger_begins_no_trace_of_ours_but_is_linked(world, upstream):
    world.use(parent="trusted")
    await world.call(
        token=world.gateway.authority.issue(), headers=[*parent(), (b"tracestate", b"a=1")]
    )

    _, server = await world.spans()
    assert server["traceId"] != TRACE
    assert server["links"] == [{"traceId": TRACE, "spanId": SPAN}]
    assert "parentSpanId" not in server
    assert TRACE not in upstream.last.values("traceparent")[0]
    assert upstream.last.values("tracestate") == []


async def test_trusted_proxy_is_continued(world):
    world.use(parent="trusted", hops=PROXY)
    await world.call(headers=parent())

    (server,) = await world.spans()
    assert (server["traceId"], server["parentSpanId"]) == (TRACE, SPAN)


async def test_nobody_is_continued_where_that_is_the_policy(world):
    world.use(parent="start", hops=PROXY)
    await world.call(headers=parent())

    (server,) = await world.spans()
    assert server["traceId"] != TRACE


async def test_malformed_context_is_not_forwarded(world, upstream):
    token = world.gateway.authority.issue()
    await world.call(token=token, headers=[(b"traceparent", b"junk"), (b"tracestate", b"a=1")])

    (told,) = upstream.last.values("traceparent")
    assert told != "junk"
    assert upstream.last.values("tracestate") == []


async def test_collector_that_is_busy_gets_the_spans_again(world):
    world.collector.answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    await world.call()
    assert len(await world.spans()) == 1
    world.collector.requests.clear()
    world.collector.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

    assert len(await world.spans()) == 1
    assert await world.spans()  # not a second time: the recorded request is still the one
    assert len(world.collector.requests) == 1
    assert world.gateway.counters.read("spans_sent") == 1


async def test_collector_that_refuses_is_not_asked_again(world):
    world.collector.answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    await world.call()
    await world.spans()
    await world.spans()

    assert len(world.collector.requests) == 1
    assert world.gateway.counters.read("spans_dropped") == 1


async def test_what_waits_is_bounded_while_the_collector_is_away(world, monkeypatch):
    monkeypatch.setattr(otlp_exporter, "_MOST_WAITING", 3)
    world.collector.answer = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    for _ in range(3):
        await world.call()
    sending = asyncio.ensure_future(world.exporter.flush())
    await asyncio.sleep(0)
    for _ in range(2):
        await world.call()
    await sending

    assert len(world.exporter._waiting) == 3
    assert world.gateway.counters.read("spans_dropped") == 2


async def test_gateway_without_tracing_leaves_the_fields_alone(gateway, upstream):
    await gateway.call(token=gateway.authority.issue(), headers=parent())

    assert upstream.last.values("traceparent") == [f"00-{TRACE}-{SPAN}-01"]


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"TOLLGATE_OTLP_ENDPOINT": "collector:4318"}, "TOLLGATE_OTLP_ENDPOINT"),
        ({"TOLLGATE_TRACE_RATIO": "2"}, "TOLLGATE_TRACE_RATIO"),
        ({"TOLLGATE_TRACE_RATIO": "nan"}, "TOLLGATE_TRACE_RATIO"),
        ({"TOLLGATE_TRACE_PARENT": "never"}, "TOLLGATE_TRACE_PARENT"),
        ({"TOLLGATE_OTLP_HEADERS": "secret"}, "TOLLGATE_OTLP_HEADERS"),
    ],
)
def test_unusable_setting_is_refused_by_name(environ, name):
    with pytest.raises(ValueError, match=name) as caught:
        read_settings({"TOLLGATE_OTLP_ENDPOINT": "http://collector:4318", **environ})
    assert "secret" not in str(caught.value)


def test_settings_are_read_and_nothing_is_traced_without_an_endpoint():
    assert read_settings({"TOLLGATE_TRACE_RATIO": "1"}) is None
    settings = read_settings(
        {
            "TOLLGATE_OTLP_ENDPOINT": "http://collector:4318/",
            "TOLLGATE_OTLP_HEADERS": "Authorization=Basic YTpi, x-b=2",
        }
    )
    assert settings == TraceSettings(
        "http://collector:4318",
        0.01,
        "trusted",
        ((b"authorization", b"Basic YTpi"), (b"x-b", b"2")),
    )
