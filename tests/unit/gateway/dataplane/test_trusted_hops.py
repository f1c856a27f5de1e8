"""Where a call came from, with and without proxies that are believed."""

import pytest

from gateway.config import BadConfiguration, load
from gateway.dataplane.trusted_hops import TrustedHops, read_networks
from tests.unit.gateway.harness import Harness

EDGE, INNER = "10.0.0.1", "10.0.1.1"


@pytest.fixture
async def make(upstream):
    made = []

    def make(field="x-forwarded-for", networks="10.0.0.0/16, 2001:db8:ffff::/48"):
        hops = TrustedHops(read_networks(networks), field=field)
        harness = Harness(upstream.url, hops=hops)
        harness.configure()
        made.append(harness)
        return harness

    yield make
    for harness in made:
        await harness.upstreams.close()


class Log:
    def __init__(self):
        self.addresses = []

    def write(self, call, seconds, unix_now):
        self.addresses.append(call.client_address)


async def send(gateway, upstream, *headers, peer=EDGE):
    """Return the address that log and upstream agree on."""
    log = gateway.plane.access_log = Log()
    answer = await gateway.call(token=gateway.authority.issue(), headers=headers, peer=peer)
    assert answer.status == 200, answer.body
    assert upstream.last.values("x-forwarded-for") == log.addresses
    return log.addresses[0]


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (b"198.51.100.7", "198.51.100.7"),
        (b"1.1.1.1, 198.51.100.7", "198.51.100.7"),
        (b"1.1.1.1, 198.51.100.7, 10.0.1.1", "198.51.100.7"),
        (b"10.0.9.9,10.0.1.1", "10.0.9.9"),
        (b"198.51.100.7:4711", "198.51.100.7"),
        (b"[2001:db8::7]:4711", "2001:db8::7"),
        (b"2001:DB8::7", "2001:db8::7"),
        (b"::ffff:198.51.100.7", "198.51.100.7"),
        (b"198.51.100.7, unknown", EDGE),
        (b"198.51.100.7, unknown, 10.0.1.1", INNER),
        (b"198.51.100.7, 1.2.3.999", EDGE),
        (b"198.51.100.7,", EDGE),
        (b"", EDGE),
    ],
)
async def test_x_forwarded_for_is_counted_from_the_right(make, upstream, value, address):
    assert await send(make(), upstream, (b"x-forwarded-for", value)) == address


async def test_lines_of_one_field_are_one_list(make, upstream):
    lines = [(b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-for", b"198.51.100.7, 10.0.1.1")]

    assert await send(make(), upstream, *lines) == "198.51.100.7"


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (b"for=198.51.100.7", "198.51.100.7"),
        (b"For=1.1.1.1, FOR=198.51.100.7;proto=http;by=10.0.0.1", "198.51.100.7"),
        (b'for="[2001:db8::7]:4711", for="10.0.1.1"', "2001:db8::7"),
        (b'for=1.1.1.1;secret="a,for=2.2.2.2", for=198.51.100.7', "198.51.100.7"),
        (b'for=1.1.1.1;x="\\"", for=198.51.100.7', "198.51.100.7"),
        (b"for=198.51.100.7, for=unknown", EDGE),
        (b"for=198.51.100.7, for=_hidden", EDGE),
        (b"for=198.51.100.7, proto=https", EDGE),
        (b"for=198.51.100.7 , ", "198.51.100.7"),
    ],
)
async def test_forwarded_is_counted_from_the_right(make, upstream, value, address):
    assert await send(make("forwarded"), upstream, (b"forwarded", value)) == address


@pytest.mark.parametrize(
    "value", [b'for="1.1.1.1, for=198.51.100.7', b"for 1.1.1.1", b"=1", b"for=1 1", b"for=\x011"]
)
async def test_a_forwarded_field_that_cannot_be_read_is_400(make, upstream, value):
    gateway = make("forwarded")

    answer = await gateway.call(
        token=gateway.authority.issue(), headers=[(b"forwarded", value)], peer=EDGE
    )

    assert answer.status == 400
    assert answer.problem["type"] == "/problems/bad-request"
    assert answer.value("connection") == "close"
    assert "Forwarded" in answer.problem["detail"]
    assert not upstream.requests


async def test_spaces_cost_no_more_than_they_are_long(make, upstream):
    gateway = make("forwarded")
    value = b"for=1.1.1.1 ," + b" " * 20_000 + b"@"

    answer = await gateway.call(headers=[(b"forwarded", value)], peer=EDGE)

    assert answer.status == 400  # were it quadratic, this would take minutes


@pytest.mark.parametrize("field", ["x-forwarded-for", "forwarded"])
async def test_only_the_field_that_the_hops_write_is_read(make, upstream, field):
    both = [(b"x-forwarded-for", b"1.1.1.1"), (b"forwarded", b"for=2.2.2.2")]

    address = await send(make(field), upstream, *both)

    assert address == ("1.1.1.1" if field == "x-forwarded-for" else "2.2.2.2")


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.1.0.1", "2001:db8::1"])
async def test_a_stranger_is_believed_nothing(make, upstream, peer):
    spoofed = [
        (b"x-forwarded-for", b"1.1.1.1"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", b"gateway.test:99"),
    ]

    assert await send(make(), upstream, *spoofed, peer=peer) == peer
    assert upstream.last.values("x-forwarded-proto") == ["https"]
    assert upstream.last.values("x-forwarded-host") == ["gateway.test"]


@pytest.mark.parametrize("peer", ["10.0.200.1", "::ffff:10.0.200.1", "2001:db8:ffff:1::1"])
async def test_every_address_of_the_blocks_is_believed(make, upstream, peer):
    assert await send(make(), upstream, (b"x-forwarded-for", b"1.1.1.1"), peer=peer) == "1.1.1.1"


async def test_nobody_is_believed_by_default(gateway, upstream):
    spoofed = (b"x-forwarded-for", b"1.1.1.1")

    assert await send(gateway, upstream, spoofed, peer="127.0.0.1") == "127.0.0.1"
    assert not gateway.plane.hops.trusts("127.0.0.1")


@pytest.mark.parametrize(
    ("said", "proto", "host"),
    [
        ((b"http", b"gateway.test:8443"), "http", "gateway.test:8443"),
        ((b"https, HTTP", b"evil.test, Gateway.test"), "http", "Gateway.test"),
        ((b"gopher", b"evil.test"), "https", "gateway.test"),
        ((b"", b""), "https", "gateway.test"),
        ((b"https", b"gateway.test:1x"), "https", "gateway.test"),
    ],
)
async def test_scheme_and_host_of_a_hop_are_taken_where_they_can_be(
    make, upstream, said, proto, host
):
    fields = [(b"x-forwarded-proto", said[0]), (b"x-forwarded-host", said[1])]

    await send(make(), upstream, *fields)

    assert upstream.last.values("x-forwarded-proto") == [proto]
    assert upstream.last.values("x-forwarded-host") == [host]


async def test_scheme_and_host_are_those_of_the_hop_that_the_client_called(make, upstream):
    value = b'for=1.1.1.1;proto=https, for=2.2.2.2;proto=http;host="gateway.test:80", for=10.0.1.1'

    await send(make("forwarded"), upstream, (b"forwarded", value))

    assert upstream.last.values("x-forwarded-proto") == ["http"]
    assert upstream.last.values("x-forwarded-host") == ["gateway.test:80"]


def test_the_memory_for_peers_is_bounded():
    hops = TrustedHops(read_networks("10.0.0.0/8"))

    verdicts = [hops.trusts(f"10.0.{at // 250}.{at % 250}") for at in range(5000)]

    assert all(verdicts)
    assert len(hops._verdicts) == 4096


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TOLLGATE_GATEWAY_TRUSTED_HOPS", "10.0.0.1/8", "TRUSTED_HOPS"),
        ("TOLLGATE_GATEWAY_TRUSTED_HOPS", "proxy.test", "TRUSTED_HOPS"),
        ("TOLLGATE_GATEWAY_TRUSTED_FIELD", "x-real-ip", "TRUSTED_FIELD"),
    ],
)
def test_a_mistaken_setting_is_one_sentence(monkeypatch, tmp_path, name, value, said):
    settings = {
        "TOLLGATE_HOME": str(tmp_path),
        "TOLLGATE_GATEWAY_TLS": "off",
        "TOLLGATE_GATEWAY_CLIENT_SECRET": "x",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        name: value,
    }
    for key, text in settings.items():
        monkeypatch.setenv(key, text)

    with pytest.raises(BadConfiguration, match=said):
        load()
