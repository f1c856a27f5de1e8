"""CPU time per request of the upstream client: `python -m benchmarks.upstream_client`.

The client runs in this process, a canned raw server in another. CPU time of this process (user and
system) survives a noisy machine; the floor is the same exchange on a bare asyncio protocol, so the
difference is what the client adds to the kernel and the event loop.
"""

import argparse
import asyncio
import cProfile
import multiprocessing
import pstats
import resource
import socket
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.synchronize import Event

import uvloop

from gateway.upstream.client import UpstreamClient

BODY = b'{"order": {"id": "42", "item": "Towel, large", "quantity": 1, "status": "shipped"}}'
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nserver: canned\r\ndate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
    b"content-type: application/json\r\ncache-control: no-store\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
HEADERS = [
    (b"accept", b"*/*"),
    (b"user-agent", b"curl/8.11.0"),
    (b"accept-encoding", b"gzip, br"),
    (b"authorization", b"Bearer " + b"x" * 600),
    (b"x-request-id", b"0123456789abcdef0123456789abcdef"),
    (b"forwarded", b"for=192.0.2.60;proto=https;host=api.example"),
]
Exchange = Callable[[], Awaitable[None]]


class CannedServer(asyncio.Protocol):
    """Answers each blank line with the same bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for _ in range(data.count(b"\r\n\r\n")):
            self.transport.write(RESPONSE)  # type: ignore[attr-defined]


def serve(listener: socket.socket, stop: Event) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(CannedServer, sock=listener)
        await asyncio.to_thread(stop.wait)
        server.close()

    uvloop.run(run())


class BareExchange(asyncio.Protocol):
    """The least a client can do: write bytes, wake one waiter when bytes come."""

    def __init__(self, request: bytes) -> None:
        self.request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, _: bytes) -> None:
        self.waiter.set_result(None)

    async def __call__(self) -> None:
        self.waiter = asyncio.get_running_loop().create_future()
        self.transport.write(self.request)  # type: ignore[attr-defined]
        await self.waiter


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def measure(exchanges: list[Exchange], requests: int) -> float:
    """Return CPU microseconds per request, with as many loops as there are exchanges."""
    each = requests // len(exchanges)

    async def repeat(exchange: Exchange) -> None:
        for _ in range(each):
            await exchange()

    before = cpu_seconds()
    await asyncio.gather(*map(repeat, exchanges))
    return (cpu_seconds() - before) * 1e6 / (each * len(exchanges))


async def run(port: int, arguments: argparse.Namespace) -> None:
    client = UpstreamClient(
        url=f"http://127.0.0.1:{port}",
        connect_timeout_seconds=5,
        first_byte_timeout_seconds=30,
        idle_timeout_seconds=30,
    )

    async def send() -> None:
        response = await client.send(b"GET", b"/orders/42?expand=lines", HEADERS, b"")
        if response.body != BODY:
            raise SystemExit("The canned server was not understood.")

    request = b"GET / HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % h for h in HEADERS) + b"\r\n"
    bare: list[Exchange] = []
    loop = asyncio.get_running_loop()
    for _ in range(arguments.connections):
        _, protocol = await loop.create_connection(lambda: BareExchange(request), "127.0.0.1", port)
        bare.append(protocol)
    ours: list[Exchange] = [send] * arguments.connections
    await measure(ours, 2000)

    rounds = [
        (await measure(bare, arguments.requests), await measure(ours, arguments.requests))
        for _ in range(arguments.rounds)
    ]
    floor, total = (statistics.median(column) for column in zip(*rounds, strict=True))
    added = statistics.median(mine - least for least, mine in rounds)
    print(f"connections {arguments.connections}, rounds {arguments.rounds}")
    print(f"bare protocol    {floor:6.1f} µs CPU per request")
    print(f"upstream client  {total:6.1f} µs CPU per request")
    print(f"added            {added:6.1f} µs CPU per request")
    if arguments.profile:
        profiler = cProfile.Profile(time.process_time)
        profiler.enable()
        await measure(ours, arguments.requests)
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    await client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        stop = context.Event()
        server = context.Process(target=serve, args=(listener, stop), daemon=True)
        server.start()
        try:
            uvloop.run(run(listener.getsockname()[1], arguments))
        finally:
            stop.set()
            server.join(5)


if __name__ == "__main__":
    main()
