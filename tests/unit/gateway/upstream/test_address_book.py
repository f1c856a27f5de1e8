import asyncio
from functools import partial

import pytest
import uvloop

from gateway.upstream import address_book, errors
from gateway.upstream.address_book import AddressBook
from gateway.upstream.client import UpstreamClient
from tests.unit.gateway.harness import wait_until
from tests.unit.gateway.raw_upstream import run_raw_upstream
from wire.addresses import may_be_upstream

PUBLIC_ONLY = partial(may_be_upstream, allow_internal=False)
INTERNAL_TOO = partial(may_be_upstream, allow_internal=True)


def pytest_asyncio_loop_factories(config, item):
    return {"uvloop": uvloop.new_event_loop}


class Names:
    """A name server that says what it is told to."""

    def __init__(self, *answer):
        self.answer = list(answer)
        self.questions = 0
        self.is_away = False

    async def __call__(self, host, port):
        self.questions += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise OSError("no name server")
        return self.answer


def book(names, judge=None):
    return AddressBook("api.test", 80, judge=judge, resolver=names)


@pytest.fixture
async def client():
    made = []

    def make(port, names, judge=INTERNAL_TOO):
        made.append(
            UpstreamClient(
                url=f"http://api.test:{port}",
                connect_timeout_seconds=1.0,
                first_byte_timeout_seconds=1.0,
                idle_timeout_seconds=1.0,
                judge=judge,
                resolver=names,
            )
        )
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def ages_quickly(monkeypatch):
    monkeypatch.setattr(address_book, "MAX_AGE_SECONDS", 0.02)
    monkeypatch.setattr(address_book, "VANISHED_AFTER_SECONDS", 0.06)


async def test_young_answer_is_not_asked_for_again():
    names = Names("192.0.2.1")
    asked = book(names)

    await asyncio.gather(*(asked.look_up() for _ in range(64)))
    await asked.look_up()

    assert names.questions == 1


async def test_addresses_take_turns():
    asked = book(Names("192.0.2.1", "192.0.2.2", "192.0.2.1"))

    assert {(await asked.look_up())[0] for _ in range(2)} == {"192.0.2.1", "192.0.2.2"}


async def test_old_answer_is_asked_for_again(ages_quickly):
    names = Names("192.0.2.1")
    asked = book(names)
    await asked.look_up()
    names.answer = ["192.0.2.9"]
    await asyncio.sleep(0.03)

    assert await asked.look_up() == ["192.0.2.9"]


async def test_name_server_that_is_away_leaves_the_last_answer(ages_quickly, monkeypatch):
    names = Names("192.0.2.1")
    asked = book(names)
    await asked.look_up()
    names.is_away = True
    await asyncio.sleep(0.03)

    assert await asked.look_up() == ["192.0.2.1"]

    monkeypatch.setattr(address_book, "_MAX_STALE_SECONDS", 0.0)
    with pytest.raises(errors.ConnectFailed, match="does not resolve"):
        await asked.look_up()


async def test_name_without_address_is_a_failed_connection():
    with pytest.raises(errors.ConnectFailed, match="no address"):
        await book(Names()).look_up()


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0"]
)
async def test_name_of_an_internal_address_is_refused(address):
    with pytest.raises(errors.AddressForbidden):
        await book(Names("8.8.8.8", address), PUBLIC_ONLY).look_up()


async def test_metadata_address_is_refused_also_where_internal_ones_are_allowed():
    with pytest.raises(errors.AddressForbidden):
        await book(Names("169.254.169.254"), INTERNAL_TOO).look_up()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_address_that_is_written_out_is_judged_too(host):
    with pytest.raises(errors.AddressForbidden):
        await AddressBook(host, 80, judge=PUBLIC_ONLY).look_up()


async def test_real_resolver_reads_odd_spellings_and_the_guard_sees_through(client):
    async with run_raw_upstream() as upstream:
        guarded = UpstreamClient(
            url=f"http://2130706433:{upstream.port}",
            connect_timeout_seconds=1.0,
            first_byte_timeout_seconds=1.0,
            idle_timeout_seconds=1.0,
            judge=PUBLIC_ONLY,
        )
        with pytest.raises(errors.AddressForbidden):
            await guarded.send(b"GET", b"/", [], b"")
        await guarded.close()

    assert upstream.requests == []


async def test_rebound_name_is_never_connected_to(client, ages_quickly):
    """The name was fine; its next answer points into the network."""
    async with run_raw_upstream() as upstream:
        names = Names("127.0.0.1")
        allowed = {"127.0.0.1"}
        rebound = client(upstream.port, names, lambda address: str(address) in allowed)
        assert (await rebound.send(b"GET", b"/", [], b"")).status == 200
        allowed.clear()  # from now on loopback stands for what is forbidden
        names.answer = ["127.0.0.1"]
        for connection in list(rebound._pool._connections):
            connection.close()
        await asyncio.sleep(0.03)

        with pytest.raises(errors.AddressForbidden):
            await rebound.send(b"GET", b"/", [], b"")

    assert len(upstream.requests) == 1


async def test_the_address_that_was_judged_is_the_one_that_is_connected_to(client):
    """A second question would be answered differently: there is none."""
    async with run_raw_upstream() as upstream:
        answers = [["127.0.0.1"], ["169.254.169.254"]]

        async def rebinding(host, port):
            return answers.pop(0)

        pinned = client(upstream.port, rebinding)
        assert (await pinned.send(b"GET", b"/", [], b"")).status == 200

    assert len(answers) == 1
    assert upstream.last.values("host") == [f"api.test:{upstream.port}"]


async def test_dead_address_is_passed_over(client):
    async with run_raw_upstream() as upstream:
        moved = client(upstream.port, Names("127.0.0.2", "127.0.0.1", "127.0.0.3"))

        for _ in range(3):
            assert (await moved.send(b"GET", b"/", [], b"")).status == 200
            for connection in list(moved._pool._connections):
                connection.close()


async def test_connections_to_an_address_that_vanished_are_drained(client, ages_quickly):
    async with run_raw_upstream() as upstream:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def answer(recorded, writer):
            if "/slow" in recorded.request_line:
                begun.set()
                await go_on.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        upstream.answerer = answer
        names = Names("127.0.0.1")
        moved = client(upstream.port, names)
        slow = asyncio.ensure_future(moved.send(b"GET", b"/slow", [], b""))
        await begun.wait()
        await moved.send(b"GET", b"/", [], b"")
        assert len(moved._pool._connections) == 2
        names.answer = ["127.0.0.9"]

        await wait_until(lambda: len(moved._pool._connections) == 1)  # the idle one has gone
        go_on.set()
        assert (await slow).status == 200  # the busy one ends its call, and goes, too
        assert moved._pool._connections == set()
