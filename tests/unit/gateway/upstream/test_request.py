"""What the client writes on the wire."""

import asyncio

import pytest

from gateway.upstream import request_head
from gateway.upstream.client import UpstreamClient
from tests.unit.gateway.upstream.conftest import Pieces

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
async def sent(serve, connect):
    """Return a function that sends a request and gives the bytes the upstream got."""

    async def send(method, target, headers, body, ending=b""):
        received = asyncio.get_running_loop().create_future()

        async def script(peer):
            head = await peer.request_head()
            rest = await peer.reader.readuntil(ending) if ending else b""
            await peer.send(OK)
            received.set_result(head + rest + await peer.reader.read())

        client = connect(await serve(script))
        await client.send(method, target, headers, body)
        await client.close()
        host = client.host_header
        return (await received).replace(host, b"HOST")

    return send


async def test_bodyless_get_is_request_line_host_and_headers_verbatim(sent):
    raw = await sent(
        b"GET", b"/a/../%2e%2e/b\\c?x=%FF&x", [(b"X-ODD", b"caf\xe9  "), (b"x-odd", b"")], b""
    )

    assert raw == (
        b"GET /a/../%2e%2e/b\\c?x=%FF&x HTTP/1.1\r\nHost: HOST\r\n"
        b"X-ODD: caf\xe9  \r\nx-odd: \r\n\r\n"
    )


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"DELETE", b"OPTIONS"])
async def test_methods_without_a_body_carry_no_framing(sent, method):
    assert await sent(method, b"/", [], b"") == method + b" / HTTP/1.1\r\nHost: HOST\r\n\r\n"


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH"])
async def test_empty_body_of_other_methods_has_length_zero(sent, method):
    raw = await sent(method, b"/", [], b"")

    assert raw == method + b" / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\n\r\n"


async def test_bytes_body_is_framed_by_its_length(sent):
    raw = await sent(b"POST", b"/", [(b"a", b"b")], b"hello", ending=b"hello")

    assert raw == b"POST / HTTP/1.1\r\nHost: HOST\r\na: b\r\nContent-Length: 5\r\n\r\nhello"


async def test_source_with_a_length_is_framed_by_it(sent):
    source = Pieces(b"hel", 0.01, b"lo", length=5)

    raw = await sent(b"POST", b"/", [], source, ending=b"hello")

    assert raw.endswith(b"Content-Length: 5\r\n\r\nhello")


async def test_source_without_a_length_is_chunked(sent):
    source = Pieces(b"hello ", 0.01, b"w" * 16)

    raw = await sent(b"POST", b"/", [], source, ending=b"0\r\n\r\n")

    assert raw.endswith(
        b"Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n10\r\n" + b"w" * 16 + b"\r\n0\r\n\r\n"
    )


async def test_empty_source_without_a_length_is_an_empty_chunked_body(sent):
    raw = await sent(b"POST", b"/", [], Pieces(), ending=b"0\r\n\r\n")

    assert raw.endswith(b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")


HOST = b"Host: h"


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        (b"GE T", b"/", []),
        (b"GET\r\n", b"/", []),
        (b"", b"/", []),
        (b"CONNECT", b"/", []),
        (b"GET", b"/a b", []),
        (b"GET", b"/a\r\nX: y", []),
        (b"GET", b"/a\n", []),
        (b"GET", b"/a\0", []),
        (b"GET", b"", []),
        (b"GET", b"http://elsewhere/", []),
        (b"GET", b"/", [(b"a", b"b\r\nc: d")]),
        (b"GET", b"/", [(b"a", b"b\nc")]),
        (b"GET", b"/", [(b"a", b"b\rc")]),
        (b"GET", b"/", [(b"a", b"b\0c")]),
        (b"GET", b"/", [(b"a\r\nb", b"c")]),
        (b"GET", b"/", [(b"a ", b"c")]),
        (b"GET", b"/", [(b"a:b", b"c")]),
        (b"GET", b"/", [(b"", b"c")]),
        (b"GET", b"/", [(b"Host", b"c")]),
        (b"POST", b"/", [(b"content-LENGTH", b"3")]),
        (b"POST", b"/", [(b"Transfer-Encoding", b"chunked")]),
        (b"GET", b"/", [(b"Connection", b"close")]),
        (b"GET", b"/", [(b"Upgrade", b"h2c")]),
    ],
)
def test_what_could_be_read_as_another_request_is_refused(method, target, headers):
    for _ in range(2):  # the second time with warm memories
        with pytest.raises(ValueError, match=r"^(method|target|headers): "):
            request_head.encode_head(method, target, HOST, headers, ())


def test_memory_for_header_names_is_bounded():
    for number in range(5000):
        request_head.encode_head(b"GET", b"/", HOST, [(b"x-%d" % number, b"v")], ())

    assert len(request_head._good_names) <= 2048
    with pytest.raises(ValueError, match="headers"):
        request_head.encode_head(b"GET", b"/", HOST, [(b"x-new\n", b"v")], ())


@pytest.mark.parametrize(
    ("url", "host", "prefix"),
    [
        ("http://Example.com", b"example.com", b""),
        ("http://example.com:80/", b"example.com", b""),
        ("https://example.com:443/v2/", b"example.com", b"/v2"),
        ("https://example.com:80/a%20b", b"example.com:80", b"/a%20b"),
        ("http://[::1]:9100", b"[::1]:9100", b""),
        ("http://bücher.example", b"xn--bcher-kva.example", b""),
    ],
)
def test_host_and_prefix_come_from_the_url(url, host, prefix):
    client = UpstreamClient(
        url=url, connect_timeout_seconds=1, first_byte_timeout_seconds=1, idle_timeout_seconds=1
    )

    assert client.host_header == host
    assert client.path_prefix == prefix


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "http://",
        "/only/a/path",
        "http://user:secret@example.com",
        "http://example.com/?a=b",
        "http://example.com/#f",
        "http://example.com/a b",
        "http://example.com:99999",
    ],
)
def test_unusable_url_is_refused(url):
    with pytest.raises(ValueError, match=r"."):
        UpstreamClient(
            url=url, connect_timeout_seconds=1, first_byte_timeout_seconds=1, idle_timeout_seconds=1
        )
