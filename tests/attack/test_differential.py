"""The same bytes through us, nginx and Envoy: what both refuse, we do not forward."""

import asyncio
from contextlib import suppress

import pytest

from tests.attack.payloads import GARDEN, H1SPEC, IS_CI, payloads_of_others, variations

pytestmark = pytest.mark.xdist_group("attack")

_AT_ONCE = 12
_QUIET_SECONDS = 0.4
_LONGEST_SECONDS = 3.0


def test_the_payloads_of_others_are_here():
    if not (GARDEN.exists() and H1SPEC.exists()):
        assert not IS_CI, "CI has the payloads"
        pytest.skip("no payloads of http-garden and h1spec beside the checkout")


async def send(port: int, payload: bytes) -> bytes:
    """Send `payload` on a connection of its own; return what came back until it was quiet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(payload)
    answers = b""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(_LONGEST_SECONDS):
            while piece := await asyncio.wait_for(reader.read(65536), _QUIET_SECONDS):
                answers += piece
    writer.close()
    return answers


async def send_all(port: int, payloads: list[bytes]) -> list[bytes]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(payload: bytes) -> bytes:
        async with gate:
            return await send(port, payload)

    return await asyncio.gather(*map(one, payloads))


def make(token: str) -> list[bytes]:
    """Each payload names itself in its target, so that the origin's records can be told apart."""
    authorization = b"Authorization: Bearer %b\r\n" % token.encode()
    count = len(variations(b"/", authorization)), len(payloads_of_others(b"/", authorization))
    made = [variations(b"/orders/v1/own-%03d" % at, authorization)[at] for at in range(count[0])]
    return made + [
        payloads_of_others(b"/orders/v1/oth-%03d" % at, authorization)[at] for at in range(count[1])
    ]


def forwarded(proxy, payload: bytes) -> int:
    """Return how many requests came of `payload`, by the name in its target."""
    at = payload.find(b"own-") if b"own-" in payload else payload.find(b"oth-")
    name = payload[at : at + 7] if at >= 0 else b"?"
    return sum(name in seen.target for seen in proxy.origin.seen)


@pytest.fixture(scope="module")
def sent(ours, nginx, envoy):
    """Every payload, after it went through each of the three."""
    payloads = make(ours.token)
    for proxy in (ours, nginx, envoy):
        proxy.origin.seen.clear()  # of other modules, whose tests may have come first
        asyncio.run(send_all(proxy.port, payloads))
    return payloads


def test_nothing_is_forwarded_that_nginx_and_envoy_refuse(sent, ours, nginx, envoy):
    counted = [(one, [forwarded(proxy, one) for proxy in (ours, nginx, envoy)]) for one in sent]

    assert len(sent) > 200
    assert [(one[:200], n) for one, n in counted if n[0] > max(n[1:])] == []


@pytest.mark.usefixtures("sent")
def test_what_is_forwarded_is_never_malformed(ours):
    assert [seen.raw[:300] for seen in ours.origin.seen if seen.is_malformed] == []


@pytest.mark.usefixtures("sent")
def test_nothing_reaches_a_path_that_nobody_asked_for(ours):
    asked = (b"/own", b"/oth")

    assert [seen.raw[:300] for seen in ours.origin.seen if not seen.target.startswith(asked)] == []


def test_most_plain_messages_still_go_through(sent, ours):
    # A gateway that refused everything would pass all other tests here.
    assert sum(forwarded(ours, one) > 0 for one in sent) > 40
