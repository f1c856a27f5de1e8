"""httplint reads every kind of answer that the gateway makes, and one of an upstream's."""

import socket

import pytest
from httplint import HttpResponseLinter
from httplint.note import levels

pytestmark = pytest.mark.xdist_group("attack")

_GOOD = "Authorization: Bearer {token}\r\n"
# What is sent -> the status that comes of it.
_REQUESTS = {
    "forwarded": ("GET /orders/v1/x HTTP/1.1\r\nHost: localhost\r\n{good}\r\n", 200),
    "head": ("HEAD /orders/v1/x HTTP/1.1\r\nHost: localhost\r\n{good}\r\n", 200),
    "options": ("OPTIONS /orders/v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n", 204),
    "metadata": (
        "GET /.well-known/oauth-protected-resource/orders/v1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        200,
    ),
    "bad path": ("GET /orders/v1/../x HTTP/1.1\r\nHost: localhost\r\n{good}\r\n", 400),
    "no host": ("GET /orders/v1/x HTTP/1.1\r\n{good}\r\n", 400),
    "both framings": (
        (
            "POST /orders/v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        400,
    ),
    "bad length": (
        "POST /orders/v1/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        400,
    ),
    "no token": ("GET /orders/v1/x HTTP/1.1\r\nHost: localhost\r\n\r\n", 401),
    "bad token": (
        "GET /orders/v1/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer junk\r\n\r\n",
        401,
    ),
    "not found": ("GET /nothing HTTP/1.1\r\nHost: localhost\r\n{good}\r\n", 404),
    "too large": (
        "POST /orders/v1/x HTTP/1.1\r\nHost: localhost\r\n{good}Content-Length: 99999999\r\n\r\n",
        413,
    ),
    "long target": ("GET /orders/v1/{long} HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "expectation": (
        "POST /orders/v1/x HTTP/1.1\r\nHost: localhost\r\nExpect: x\r\nContent-Length: 1\r\n\r\n",
        417,
    ),
    "other host": ("GET /orders/v1/x HTTP/1.1\r\nHost: evil.test\r\n{good}\r\n", 421),
    "large head": ("GET /orders/v1/x HTTP/1.1\r\nHost: localhost\r\nX: {longer}\r\n\r\n", 431),
    "method": ("BREW /orders/v1/x HTTP/1.1\r\nHost: localhost\r\n{good}\r\n", 501),
    "coding": (
        "POST /orders/v1/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        501,
    ),
    "version": ("GET /orders/v1/x HTTP/1.7\r\nHost: localhost\r\n\r\n", 505),
}


def ask(ours, request: str) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    text = request.format(
        good=_GOOD.format(token=ours.token), long="x" * 25_000, longer="x" * 70_000
    )
    with socket.create_connection(("127.0.0.1", ours.port), timeout=10) as connection:
        connection.sendall(text.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        fields = [tuple(line.split(b": ", 1)) for line in lines]
        length = int(dict(fields).get(b"content-length", b"0"))
        while len(body) < length and not text.startswith("HEAD"):
            body += connection.recv(65536)
    return first, fields, body


@pytest.mark.parametrize("name", _REQUESTS)
def test_answer_is_good_http(ours, name):
    request, expected = _REQUESTS[name]

    first, fields, body = ask(ours, request)

    version, status, phrase = first.split(b" ", 2)
    assert int(status) == expected
    linter = HttpResponseLinter()
    linter.is_head_response = request.startswith("HEAD")
    linter.process_response_topline(version, status, phrase)
    linter.process_headers(fields)
    linter.feed_content(body)
    linter.finish_content(True)
    # It warns of each refusal's status for what it is.
    bad = [note for note in linter.notes if note.level in {levels.BAD, levels.WARN}]
    told = [f"{note.summary}" for note in bad if not type(note).__name__.startswith("STATUS_")]
    assert told == [], (first, fields, body)
