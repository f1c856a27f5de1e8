"""What is written in one turn of the event loop leaves together at its end, and is never lost."""

import asyncio
import logging
import socket
from contextlib import asynccontextmanager

import pytest

from gateway.front.departures import Departures
from gateway.front.outlet import Outlet
from tests.unit.gateway.front.test_metering import until


@asynccontextmanager
async def run_outlets(gateway, count):
    """Yield outlets of `count` connections, and the sockets at their other ends."""
    loop = asyncio.get_running_loop()
    departures = Departures(loop)
    outlets = []

    class Greeter(asyncio.Protocol):
        def connection_made(self, transport):
            outlets.append(Outlet(gateway.plane, departures, transport))

    server = await loop.create_server(Greeter, "127.0.0.1", 0)
    clients = []
    for at in range(count):
        client = socket_to(server)
        await loop.sock_connect(client, server.sockets[0].getsockname())
        clients.append(client)
        await until(lambda: len(outlets) == at + 1)  # noqa: B023 - it is called at once
    try:
        yield outlets, clients
    finally:
        server.close()
        for outlet, client in zip(outlets, clients, strict=True):
            outlet.abort()
            client.close()
        await asyncio.sleep(0.01)


def socket_to(server):
    client = socket.socket(server.sockets[0].family, socket.SOCK_STREAM)
    client.setblocking(False)
    return client


def has_come(client):
    try:
        return client.recv(1_000_000)
    except BlockingIOError:
        return None


async def read(client, size=1_000_000):
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, size), 5)


async def test_what_is_written_in_a_turn_leaves_at_its_end(gateway):
    async with run_outlets(gateway, 3) as (outlets, clients):
        for outlet in outlets:
            outlet.write(b"one ")
            outlet.write(b"two")
        assert [has_come(client) for client in clients] == [None] * 3

        for _ in range(2):  # this turn, and the one that begins with what is due
            await asyncio.sleep(0)

        assert [has_come(client) for client in clients] == [b"one two"] * 3


async def test_much_does_not_wait(gateway):
    async with run_outlets(gateway, 1) as (outlets, clients):
        outlets[0].write(b"x" * 40_000)
        assert has_come(clients[0]) is None

        outlets[0].write(b"y" * 30_000)

        assert (has_come(clients[0]) or b"").startswith(b"xxx")


@pytest.mark.parametrize("is_ending", [False, True], ids=["open", "its end came"])
@pytest.mark.parametrize("how", ["write_eof", "close", "abort"])
async def test_an_end_in_the_same_turn_comes_after_what_was_written(gateway, how, is_ending):
    async with run_outlets(gateway, 1) as (outlets, clients):
        if is_ending:  # the event loop closes the connection before it waits again
            outlets[0]._transport.close()
        outlets[0].write(b"the last words")
        getattr(outlets[0], how)()

        assert await read(clients[0]) == b"the last words"
        assert await read(clients[0]) == b""


async def test_nothing_to_send_keeps_no_connection_open(gateway):
    async with run_outlets(gateway, 1) as (outlets, clients):
        outlets[0].write(b"")

        assert not outlets[0].is_waiting()
        outlets[0].close()
        assert await read(clients[0]) == b""


async def test_a_client_that_closes_in_the_same_turn_gets_what_was_written(gateway):
    async with run_outlets(gateway, 1) as (outlets, clients):
        outlets[0].write(b"an answer")

        # What every protocol asks when the client's end has come: to go on waiting, or to close.
        assert outlets[0].keeps_open(outlets[0]) is False
        assert has_come(clients[0]) == b"an answer"


async def test_one_that_fails_keeps_nobody_from_sending(gateway, caplog):
    class Broken:
        is_dropped = False

        def flush(self):
            raise RuntimeError("broken")

        def abort(self):
            self.is_dropped = True

    async with run_outlets(gateway, 1) as (outlets, clients):
        broken = Broken()
        outlets[0]._departures.add(broken)
        outlets[0].write(b"sent all the same")
        with caplog.at_level(logging.ERROR, "gateway.front.departures"):
            assert await read(clients[0]) == b"sent all the same"

    assert broken.is_dropped
    assert [record.message for record in caplog.records] == ["a connection could not be written to"]
