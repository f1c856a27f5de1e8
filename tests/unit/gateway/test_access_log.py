import json

import pytest

from gateway.access_log import JSONAccessLog
from wire.gateway_snapshot import RateLimit

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
async def lines(gateway, tmp_path):
    """Return `await lines()`: what the log has, written by the real one."""
    path = tmp_path / "access.log"
    gateway.plane.access_log = JSONAccessLog(str(path), worker=3)
    gateway.plane.keeps_times = True

    async def read():
        await gateway.plane.access_log.flush()
        return [json.loads(line) for line in path.read_text().splitlines()]

    yield read
    await gateway.plane.access_log.close()


async def test_line_has_what_an_operator_asks_for(gateway, lines):
    token = gateway.authority.issue()
    answer = await gateway.call(
        "/orders/v1/orders/42?key=hunter2",
        token=token,
        headers=[(b"traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode())],
    )

    (line,) = await lines()
    seconds, upstream_seconds, at = (
        line.pop(name) for name in ("seconds", "upstream_seconds", "time")
    )
    assert 0 < upstream_seconds <= seconds
    assert at > 1_700_000_000
    assert len(line.pop("token_digest")) == 8
    assert line == {
        "request_id": answer.value("x-request-id"),
        "trace_id": TRACE,
        "method": "GET",
        "path": "/orders/v1/orders/42",
        "status": 200,
        "cause": "upstream",
        "problem": "",
        "request_bytes": 0,
        "response_bytes": 2,
        "client": "203.0.113.9",
        "api": "orders",
        "operation": "get",
        "client_id": "client-1",
        "subscription": "sub-1",
        "worker": 3,
    }


async def test_refusal_says_who_caused_it_and_why(gateway, upstream, lines):
    gateway.configure(rate_limits=[RateLimit(1, 60, 1)])
    token = gateway.authority.issue()
    await gateway.call()
    upstream.answer = b"nonsense\r\n\r\n"
    for _ in range(2):
        await gateway.call(token=token)

    found = [(line["status"], line["cause"], line["problem"]) for line in await lines()]
    assert found == [
        (401, "client", "/problems/credentials-missing"),
        (502, "gateway", "/problems/bad-gateway"),
        (429, "client", "/problems/rate-limited"),
    ]
    assert [line["upstream_seconds"] is None for line in await lines()] == [True, False, True]


async def test_no_secret_is_written(gateway, lines, tmp_path):
    token = gateway.authority.issue()
    await gateway.call("/orders/v1/orders/42?token=hunter2", token=token)
    await gateway.call(f"/orders/v1/orders/{token.decode()}", token=token)
    await gateway.call(headers=[(b"cookie", b"session=s3cr3t"), (b"authorization", b"Basic YTpi")])
    await lines()

    text = (tmp_path / "access.log").read_text()
    for secret in (token.decode(), "hunter2", "s3cr3t", "YTpi", "eyJ"):
        assert secret not in text
    assert "[redacted]" in text


async def test_trace_that_is_malformed_is_none(gateway, lines):
    await gateway.call(headers=[(b"traceparent", b"junk")])

    assert [line["trace_id"] for line in await lines()] == [""]


@pytest.mark.parametrize(
    "path", [b'/a"b', b"/a\\b", b"/\xff\xfe", b"/\x01", b"/%22", "/ä".encode()]
)
async def test_line_is_json_whatever_was_asked_for(gateway, lines, path):
    await gateway.call(path)

    (line,) = await lines()
    assert line["path"].encode("latin-1") == path
    assert line["status"] in {400, 404}


async def test_method_and_address_cannot_break_out_of_the_line(gateway, lines):
    await gateway.call(method='G"T', peer='203.0.113.9","status":"200')

    (line,) = await lines()
    assert line["method"] == 'G"T'
    assert line["client"] == '203.0.113.9","status":"200'
    assert line["status"] == 400
