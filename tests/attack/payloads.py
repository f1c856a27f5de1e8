"""What is sent: payloads of others, and variations of one message where parsers differ."""

import json
import os
from pathlib import Path

CORPORA = Path(__file__).resolve().parents[3] / "shared" / "corpora"
GARDEN = CORPORA / "request-framing.json"
H1SPEC = CORPORA / "h1-conformance.json"
IS_CI = bool(os.environ.get("CI"))

_LENGTHS = (
    b"5", b" 5", b"5 ", b"\t5", b"+5", b"-5", b"5,5", b"5, 6", b"0x5", b"5_0", b"05", b"5.0", b"5;",
    b"\x0b5", b"5\x00", b"", b"18446744073709551621", b"4294967301", b"\xb2", b"five",
)  # fmt: skip
_CODINGS = (
    b"chunked", b"Chunked", b"chunked ", b" chunked", b"\tchunked", b"\x0bchunked", b"chunked\x00",
    b"xchunked", b"chunked, identity", b"identity, chunked", b"gzip, chunked", b"chunked, chunked",
    b"chunked;q=1", b'"chunked"', b"identity", b",chunked", b"chunked,", b"chunk", b"",
)  # fmt: skip
_SIZES = (
    b"5", b"05", b"0x5", b"+5", b"-5", b"5 ", b" 5", b"5;ext", b'5;e="\n"', b"5\t", b"5_", b"", b"g",
    b"00000000000000000005", b"10000000000000005", b"5;" + b"x" * 20_000, b"5\x00", b"5 5",
)  # fmt: skip
_ENDS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r\n", b" \r\n", b"\x0b\r\n")
_FIELDS = (
    b"X : 1", b" X: 1", b"X\t: 1", b"X", b": 1", b"X: 1\r\n folded", b"X: 1\r\n\tfolded",
    b"X: a\x00b", b"X: a\rb", b"X\x00: 1", b"X\xff: 1", b"X: \xff\xfe", b"Content_Length: 5",
    b"Transfer_Encoding: chunked", b"Content-Length\x00: 5", b"Transfer-Encoding\x0b: chunked",
    b"\x0bTransfer-Encoding: chunked", b"Connection: content-length", b"Connection: authorization",
    b"Host: other", b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade",
    b"Expect: 100-continue", b"Expect: x", b"Trailer: host", b"TE: trailers", b"X(): 1", b"\xc2\xa0X: 1",
)  # fmt: skip
_LINES = (
    b"GET %b HTTP/1.1", b"GET  %b HTTP/1.1", b"GET %b  HTTP/1.1", b"GET\t%b HTTP/1.1", b" GET %b HTTP/1.1",
    b"GET %b HTTP/1.1 ", b"GET %b HTTP/1.2", b"GET %b HTTP/2.0", b"GET %b HTTP/0.9", b"GET %b http/1.1",
    b"GET %b HTTP/01.1", b"GET %b HTTP/1.10", b"GET %b RTSP/1.1", b"GET %b", b"get %b HTTP/1.1",
    b"G\x00T %b HTTP/1.1", b"GET %b\x00 HTTP/1.1", b"GET %b# HTTP/1.1", b"GET %b\\..\\x HTTP/1.1",
    b"GET %b/../x HTTP/1.1", b"GET %b/%%2e%%2e/x HTTP/1.1", b"GET %b/%%00 HTTP/1.1", b"GET %b/a%%2fb HTTP/1.1",
    b"GET http://localhost%b HTTP/1.1", b"GET http://other%b HTTP/1.1", b"GET //%b HTTP/1.1",
    b"GET * HTTP/1.1", b"CONNECT localhost:80 HTTP/1.1", b"TRACE %b HTTP/1.1", b"PRI * HTTP/2.0",
    b"GET %b\x7f HTTP/1.1", b"GET %b\xff HTTP/1.1", b"GET %b HTTP/1.1\r", b"\r\n\r\nGET %b HTTP/1.1",
)  # fmt: skip


def variations(target: bytes, authorization: bytes) -> list[bytes]:
    """Return messages to `target`, each with one thing odd about it."""
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b" % (target, authorization)
    after = b"GET %b/smuggled HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (target, authorization)
    length = b"Content-Length: 5\r\n"
    coding = b"Transfer-Encoding: chunked\r\n"
    found = [head + b"Content-Length: %b\r\n\r\nhello" % value + after for value in _LENGTHS]
    found += [
        head + b"Transfer-Encoding: %b\r\n\r\n5\r\nhello\r\n0\r\n\r\n" % value + after
        for value in _CODINGS
    ]
    found += [
        head + b"Transfer-Encoding: %b\r\n%b\r\n5\r\nhello\r\n0\r\n\r\n" % (value, length) + after
        for value in _CODINGS
    ]
    found += [head + coding + b"\r\n%b\r\nhello\r\n0\r\n\r\n" % size + after for size in _SIZES]
    for end in _ENDS:
        found.append(head + coding + b"\r\n5%bhello\r\n0\r\n\r\n" % end + after)
        found.append(head + coding + b"\r\n5\r\nhello%b0\r\n\r\n" % end + after)
        found.append(head + coding + b"\r\n5\r\nhello\r\n0%b\r\n" % end + after)
        found.append(head + coding + b"\r\n5\r\nhello\r\n0\r\nX: 1%b\r\n" % end + after)
        found.append(head + length + b"X: 1%b\r\nhello" % end + after)
        found.append(head + b"X: 1%b" % end + length + b"\r\nhello" + after)
    for one in _FIELDS:
        found.append(head + one + b"\r\n" + length + b"\r\nhello" + after)
        found.append(head + length + one + b"\r\n\r\nhello" + after)
    found += [
        line.replace(b"%b", target).replace(b"%%", b"%")
        + b"\r\nHost: localhost\r\n%b\r\n" % authorization
        for line in _LINES
    ]
    found += [
        head + length + length + b"\r\nhello" + after,
        head + length + b"Content-Length: 6\r\n\r\nhello!" + after,
        head + coding + coding + b"\r\n0\r\n\r\n" + after,
        head + authorization + length + b"\r\nhello" + after,
        head + b"Host: localhost\r\n" + length + b"\r\nhello" + after,
        head.replace(b"Host: localhost\r\n", b"") + length + b"\r\nhello" + after,
        head.replace(b"1.1", b"1.0") + coding + b"\r\n0\r\n\r\n" + after,
        head + b"Content-Length: 5\r\n\r\nhel",
        head + coding + b"\r\n5\r\nhel",
    ]
    return found


def payloads_of_others(target: bytes, authorization: bytes) -> list[bytes]:
    """Return the payloads of http-garden and h1spec, told to reach our API; none without them."""
    raw = []
    if GARDEN.exists():
        raw += [bytes.fromhex(row["hex"]) for row in json.loads(GARDEN.read_bytes())["payloads"]]
    if H1SPEC.exists():
        raw += [
            bytes.fromhex(row["request_hex"]) for row in json.loads(H1SPEC.read_bytes())["cases"]
        ]
    host = b"Host: localhost\r\n" + authorization
    return [
        one.replace(b" / ", b" %b " % target)
        .replace(b"Host: a\r\n", host)
        .replace(b"Host: localhost\r\n", host)
        if authorization not in one
        else one
        for one in raw
    ]
