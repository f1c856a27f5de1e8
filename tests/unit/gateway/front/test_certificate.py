"""Certificates that change, and the oldest TLS that is spoken."""

import asyncio
import ssl
from contextlib import asynccontextmanager, suppress

import pytest

from gateway.front import listener
from gateway.front.certificate import CertificateWatch
from tests.unit.gateway.front.conftest import run_server
from tests.unit.gateway.gateway_process import make_certificate


@pytest.fixture
def files(tmp_path):
    make_certificate(tmp_path / "tls")
    return tmp_path / "tls" / "gateway.pem", tmp_path / "tls" / "gateway-key.pem"


@pytest.fixture
def renewed(tmp_path):
    make_certificate(tmp_path / "new")
    return tmp_path / "new" / "gateway.pem", tmp_path / "new" / "gateway-key.pem"


@asynccontextmanager
async def watched(files):
    context = listener.make_context(*files)
    watch = CertificateWatch(context, *files)
    watching = asyncio.create_task(watch.run(look_seconds=0.02))
    async with run_server(context) as server:
        yield server
    watching.cancel()


async def served(server) -> bytes:
    """Return the certificate that a new connection gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    server.writers.append(writer)
    return writer.get_extra_info("ssl_object").getpeercert(binary_form=True)


async def comes(server, expected: bytes) -> bool:
    for _ in range(100):
        if await served(server) == expected:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_renewed_certificate_is_served_without_a_signal(files, renewed):
    wanted = ssl.PEM_cert_to_DER_cert(renewed[0].read_text())
    async with watched(files) as server:
        assert await served(server) != wanted
        for old, new in zip(files, renewed, strict=True):
            new.replace(old)

        assert await comes(server, wanted)


async def test_half_a_renewal_changes_nothing_until_the_other_half_is_here(files, renewed, caplog):
    wanted = ssl.PEM_cert_to_DER_cert(renewed[0].read_text())
    async with watched(files) as server:
        before = await served(server)
        renewed[0].replace(files[0])
        await asyncio.sleep(0.1)
        assert await served(server) == before
        assert caplog.text.count("the one before stays") == 1

        files[1].unlink()
        await asyncio.sleep(0.1)
        assert await served(server) == before
        renewed[1].replace(files[1])

        assert await comes(server, wanted)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
@pytest.mark.parametrize(
    ("newest", "spoken"),
    [
        (ssl.TLSVersion.TLSv1_1, None),
        (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
    ],
)
async def test_tls_below_1_2_is_refused(files, newest, spoken):
    client = ssl.create_default_context(cafile=str(files[0]))
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    client.maximum_version = newest
    said = None
    async with run_server(listener.make_context(*files)) as server:
        with suppress(ssl.SSLError, ConnectionError):
            _, writer = await asyncio.open_connection(
                "127.0.0.1", server.port, ssl=client, server_hostname="localhost"
            )
            server.writers.append(writer)
            said = writer.get_extra_info("ssl_object").version()

    assert said == spoken
