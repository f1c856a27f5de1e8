"""A token service that takes its time is an outage, in bounded time, however it does it."""

import asyncio
import contextlib
import json

import pytest

from gateway.config import IntrospectionSettings
from gateway.dataplane.guarded_authority import AuthorityFailed
from gateway.foreign_authority import ForeignAuthority
from gateway.ims_client import IMSClient
from tests.unit.gateway.harness import RESOURCE
from tests.unit.gateway.raw_upstream import run_raw_upstream
from tests.unit.gateway.test_ims_client import make_config

CLIENTS = {
    "gateway.ims_client": lambda url: IMSClient(make_config(url)),
    "gateway.foreign_authority": lambda url: ForeignAuthority(
        IntrospectionSettings(
            issuer=url,
            url=f"{url}/introspect",
            client_id="gateway",
            client_secret="secret",
            ca_pem="",
        )
    ),
}


async def say_nothing(writer):
    """Take the question, and that is all."""


async def drip_the_head(writer):
    await drip(writer, b"HTTP/1.1 200 OK\r\nX-Slow: ")


async def drip_the_body(writer):
    await drip(
        writer, b"HTTP/1.1 200 OK\r\nContent-Type: application/jwt\r\nContent-Length: 999\r\n\r\n"
    )


async def drip(writer, head):
    writer.write(head)
    with contextlib.suppress(ConnectionError):
        for _ in range(400):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("answer", [say_nothing, drip_the_head, drip_the_body])
@pytest.mark.parametrize("module", CLIENTS)
async def test_who_does_not_come_to_an_end_has_failed(module, answer, monkeypatch):
    monkeypatch.setattr(f"{module}._MOST_SECONDS", 0.2)

    async def respond(recorded, writer):
        if "well-known" not in recorded.request_line:
            await answer(writer)
            return
        url = f"http://127.0.0.1:{upstream.port}"
        document = {"issuer": url, "introspection_endpoint": f"{url}/introspect"}
        body = json.dumps(document).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with run_raw_upstream() as upstream:
        upstream.answerer = respond
        client = CLIENTS[module](upstream.url)

        with pytest.raises(AuthorityFailed, match=r"longer than 0\.2 s"):
            await asyncio.wait_for(client.introspect(b"x", RESOURCE), 3)

        await asyncio.wait_for(upstream.closed.wait(), 5)  # the connection is of no use any more
        await client.close()
