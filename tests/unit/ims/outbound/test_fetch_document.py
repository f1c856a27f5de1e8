import gzip
import threading
import time

import pytest

from ims.errors import (
    DocumentTooLarge,
    FetchTimedOut,
    ForbiddenTarget,
    TargetUnreachable,
    TooManyFetches,
    UnexpectedAnswer,
)
from ims.outbound import fetch_document as module
from ims.outbound.fetch_document import MOST_OF_ONE_HOST, fetch_document, parse_freshness
from tests.unit.ims.outbound.web_server import Authority, answering, serving


def fetch(url, **changes):
    options = {"accept": "application/json", "max_bytes": 1000, "timeout_seconds": 20}
    return fetch_document(url, **(options | changes))


def test_document_comes_with_what_its_publisher_says(private_allowed):
    answer = answering(
        b'{"keys":[]}',
        content_type="application/JWK-set+json; charset=utf-8",
        etag='"v1"',
        cache_control="public, max-age=120",
    )
    with serving(answer) as server:
        document = fetch(server.url("/jwks?v=1"))

    assert document.status == 200
    assert document.body == b'{"keys":[]}'
    assert document.media_type == "application/jwk-set+json"
    assert document.etag == '"v1"'
    assert document.fresh_for_seconds == 120


def test_request_carries_nothing_of_ours(private_allowed, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with serving(answering(set_cookie="a=b")) as server:
        fetch(server.url("/doc"))
        fetch(server.url("/doc"))

    first, second = server.requests
    lines = dict(line.split(": ", 1) for line in second.strip().split("\r\n")[1:])
    assert first == second
    assert second.startswith("GET /doc HTTP/1.1\r\n")
    assert lines.pop("Connection", "close")
    assert lines == {
        "Host": f"127.0.0.1:{server.port}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "Tollgate",
    }


def test_unchanged_document_is_told_by_its_etag(private_allowed):
    with serving(answering(b"", status="304 Not Modified")) as server:
        document = fetch(server.url(), etag='"v1"')

    assert document.status == 304
    assert 'If-None-Match: "v1"' in server.requests[0]


def test_unasked_304_is_no_answer(private_allowed):
    with (
        serving(answering(b"", status="304 Not Modified")) as server,
        pytest.raises(UnexpectedAnswer),
    ):
        fetch(server.url())


def test_loopback_is_not_asked():
    with serving(answering()) as server:
        with pytest.raises(ForbiddenTarget):
            fetch(server.url(scheme="https"))
        named = server.url(scheme="https", name="keys.example")
        with pytest.raises(ForbiddenTarget):
            fetch(named, resolver=lambda *_: ["127.0.0.1"])

    assert server.connections == 0


def test_http_is_not_asked():
    with serving(answering()) as server, pytest.raises(ForbiddenTarget):
        fetch(server.url())

    assert server.connections == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temp", "308 Perm"])
def test_redirect_is_not_followed(private_allowed, status):
    with serving(answering(b"secret")) as inner:
        answer = answering(b"", status=status, location=inner.url())
        with serving(answer) as server, pytest.raises(UnexpectedAnswer) as caught:
            fetch(server.url())

    assert inner.connections == 0
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("status", "retryable"),
    [("404 Not Found", False), ("500 Oops", True), ("429 Slow", True), ("204 None", False)],
)
def test_other_status_is_an_error_that_says_whether_to_try_again(
    private_allowed, status, retryable
):
    with (
        serving(answering(b"", status=status)) as server,
        pytest.raises(UnexpectedAnswer) as caught,
    ):
        fetch(server.url())

    assert caught.value.retryable is retryable


def test_name_that_changes_its_address_leads_nowhere_else(private_allowed):
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    asked = []

    def resolver(host, port):
        asked.append(host)
        return answers.pop(0)

    with serving(answering(b"checked")) as server:
        document = fetch(server.url(name="localhost.example"), resolver=resolver)

    assert document.body == b"checked"
    assert asked == ["localhost.example"]
    assert f"Host: localhost.example:{server.port}" in server.requests[0]


def test_second_address_is_tried_when_the_first_takes_no_connection(private_allowed):
    with serving(answering(b"here")) as server:
        document = fetch(
            server.url(name="two.example"), resolver=lambda *_: ["127.0.0.9", "127.0.0.1"]
        )

    assert document.body == b"here"


def test_tls_verifies_the_name_and_not_the_address(private_allowed, settings, tmp_path):
    authority = Authority(tmp_path)
    settings.OUTBOUND_CA_FILE = str(authority.file)
    with serving(answering(b"ok"), tls=authority.server_context("keys.example")) as server:
        url = server.url(scheme="https", name="keys.example")
        assert fetch(url, resolver=lambda *_: ["127.0.0.1"]).body == b"ok"

        other = server.url(scheme="https", name="other.example")
        with pytest.raises(TargetUnreachable):
            fetch(other, resolver=lambda *_: ["127.0.0.1"])


def test_certificate_of_a_strange_authority_is_refused(private_allowed, settings, tmp_path):
    authority = Authority(tmp_path)
    with serving(answering(b"ok"), tls=authority.server_context("keys.example")) as server:
        url = server.url(scheme="https", name="keys.example")
        with pytest.raises(TargetUnreachable):
            fetch(url, resolver=lambda *_: ["127.0.0.1"])

    assert server.requests == []


def test_announced_size_is_refused_before_it_is_read(private_allowed):
    with serving(answering(b"x" * 1001)) as server, pytest.raises(DocumentTooLarge):
        fetch(server.url())


def test_endless_body_is_cut_off(private_allowed):
    sent = []

    def pour(connection, request):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n%s\r\n" % (65536, b"x" * 65536)
        while True:
            connection.sendall(chunk)
            sent.append(len(chunk))

    with serving(pour) as server, pytest.raises(DocumentTooLarge):
        fetch(server.url())

    assert sum(sent) < 50_000_000


def test_body_may_be_as_long_as_the_limit(private_allowed):
    with serving(answering(b"x" * 1000)) as server:
        assert len(fetch(server.url()).body) == 1000


def test_compressed_body_is_refused(private_allowed):
    bomb = gzip.compress(b"x" * 1_000_000)
    with (
        serving(answering(bomb, content_encoding="gzip")) as server,
        pytest.raises(UnexpectedAnswer),
    ):
        fetch(server.url(), max_bytes=10_000)


def _drip(prefix):
    def answer(connection, request):
        connection.sendall(prefix)
        for _ in range(600):
            connection.sendall(b"x")
            time.sleep(0.1)

    return answer


@pytest.mark.parametrize(
    "prefix",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"],
    ids=["status line", "header", "body"],
)
def test_slow_drip_ends_at_the_time_limit(private_allowed, prefix):
    began = time.monotonic()
    with serving(_drip(prefix)) as server, pytest.raises((FetchTimedOut, TargetUnreachable)):
        fetch(server.url(), timeout_seconds=1)

    assert time.monotonic() - began < 5


def test_silent_server_ends_at_the_time_limit(private_allowed):
    released = threading.Event()
    with serving(lambda *_: released.wait(20)) as server:
        with pytest.raises(FetchTimedOut):
            fetch(server.url(), timeout_seconds=0.5)
        released.set()


def test_silent_tls_handshake_ends_at_the_time_limit(private_allowed):
    released = threading.Event()
    with serving(lambda *_: released.wait(20)) as server:
        with pytest.raises(FetchTimedOut):
            fetch(server.url(scheme="https"), timeout_seconds=0.5)
        released.set()


def test_hanging_resolver_does_not_hold_the_caller():
    released = threading.Event()

    def resolver(host, port):
        released.wait(20)
        return ["8.8.8.8"]

    began = time.monotonic()
    with pytest.raises(FetchTimedOut):
        fetch("https://keys.example/", timeout_seconds=0.2, resolver=resolver)
    took = time.monotonic() - began
    released.set()

    assert took < 5


def test_closed_port_is_unreachable(private_allowed):
    with serving(answering()) as server:
        url = server.url()

    with pytest.raises(TargetUnreachable) as caught:
        fetch(url)

    assert caught.value.retryable


def test_answer_that_is_not_http_is_unreachable(private_allowed):
    with (
        serving(lambda connection, _: connection.sendall(b"SSH-2.0-x\r\n")) as server,
        pytest.raises(TargetUnreachable),
    ):
        fetch(server.url())


def test_slow_host_takes_a_few_places_only(private_allowed):
    released = threading.Event()

    def wait(connection, request):
        released.wait(20)
        answering(b"late")(connection, request)

    with serving(wait) as slow, serving(answering(b"quick")) as quick:
        waiting = [
            threading.Thread(target=fetch, args=(slow.url(name="localhost"),))
            for _ in range(MOST_OF_ONE_HOST)
        ]
        for thread in waiting:
            thread.start()
        _wait_until(lambda: module._places._taken["localhost"] == MOST_OF_ONE_HOST)

        with pytest.raises(TooManyFetches) as caught:
            fetch(slow.url(name="localhost"))
        assert fetch(quick.url()).body == b"quick"
        released.set()
        for thread in waiting:
            thread.join(20)

    assert caught.value.retryable
    _wait_until(lambda: module._places._taken.total() == 0)


def _wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("public", None),
        ("max-age=60", 60),
        ("public, Max-Age = 60", 60),
        ('max-age="60"', 60),
        ("max-age=-1", None),
        ("max-age=abc", None),
        ("max-age=60, no-store", 0),
        ("no-cache", 0),
        ('private, no-cache="set-cookie"', 0),
    ],
)
def test_cache_control_is_understood(header, seconds):
    assert parse_freshness(header) == seconds
