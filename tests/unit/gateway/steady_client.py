"""A client that calls one address without a pause until its standard input ends.

`python -m tests.unit.gateway.steady_client PORT CA_FILE PATH TOKEN`; prints how often it got which
status, and how often none. Connections are kept, so that calls are under way all the time.
"""

import asyncio
import json
import ssl
import sys
from collections import Counter

CONNECTIONS = 4
PAUSE_SECONDS = 0.005


async def main(port: str, ca_file: str, path: str, token: str) -> None:
    context = ssl.create_default_context(cafile=ca_file)
    tally: Counter[str] = Counter()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, stop.set)
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    await asyncio.gather(
        *(call_on(int(port), context, request.encode(), tally, stop) for _ in range(CONNECTIONS))
    )
    sys.stdout.write(json.dumps(tally))


async def call_on(port, context, request, tally, stop) -> None:
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    while not stop.is_set():
        try:
            async with asyncio.timeout(10):
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                await reader.readexactly(length)
        except (OSError, ValueError, EOFError, TimeoutError) as error:
            tally[type(error).__name__] += 1
            reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        else:
            tally[head.split(b" ", 2)[1].decode()] += 1
        await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
