"""How many connections one address may have."""

import asyncio
from contextlib import suppress

from gateway.dataplane.trusted_hops import TrustedHops, read_networks
from tests.unit.gateway.front.conftest import run_server

REQUEST = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def open_and_ask(port: int):
    """Return a connection and what it got to a request; nothing where it was reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        writer.write(REQUEST)
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"\r\n")
    return writer, answer


async def close_all(connections):
    for writer, _ in connections:
        writer.transport.abort()
    await asyncio.sleep(0.05)


async def test_an_address_has_so_many_connections_and_no_more():
    async with run_server(connections_per_address=3) as server:
        connections = [await open_and_ask(server.port) for _ in range(5)]

        assert [bool(answer) for _, answer in connections] == [True] * 3 + [False] * 2
        await close_all(connections)


async def test_what_has_closed_makes_room():
    async with run_server(connections_per_address=2) as server:
        first = [await open_and_ask(server.port) for _ in range(3)]
        await close_all(first)
        server.front.tick()

        writer, answer = await open_and_ask(server.port)

        assert answer
        writer.transport.abort()


async def test_a_trusted_hop_has_as_many_as_it_likes():
    async with run_server(connections_per_address=1) as server:
        server.front.plane.hops = TrustedHops(read_networks("127.0.0.1"))
        connections = [await open_and_ask(server.port) for _ in range(4)]

        assert all(answer for _, answer in connections)
        await close_all(connections)
