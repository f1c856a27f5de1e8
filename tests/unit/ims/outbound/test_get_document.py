import threading
from dataclasses import replace

import pytest
from django.core.cache import cache

from ims.errors import ForbiddenTarget, TooManyFetches, UnexpectedAnswer
from ims.outbound import get_document as module
from ims.outbound.get_document import MOST_FRESH_SECONDS, MOST_WAITING, Limits, get_document
from tests.unit.ims.outbound.web_server import answering, in_turn, serving

LIMITS = Limits(accept="application/json", max_bytes=1000, timeout_seconds=20)

pytestmark = pytest.mark.usefixtures("private_allowed")


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_000_000.0

        def time(self):
            return self.now

        monotonic = staticmethod(module.time.monotonic)
        sleep = staticmethod(module.time.sleep)

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_fresh_document_is_not_fetched_again(clock):
    with serving(answering(b"one", cache_control="max-age=600")) as server:
        get_document(server.url(), limits=LIMITS)
        clock.now += 599
        document = get_document(server.url(), limits=LIMITS)

    assert document.body == b"one"
    assert len(server.requests) == 1


def test_stale_document_is_validated_by_its_etag(clock):
    answers = [
        answering(b"one", etag='"1"', cache_control="max-age=600"),
        answering(b"", status="304 Not Modified", cache_control="max-age=700"),
    ]
    with serving(in_turn(answers)) as server:
        get_document(server.url(), limits=LIMITS)
        clock.now += 601
        document = get_document(server.url(), limits=LIMITS)

    assert document.body == b"one"
    assert document.etag == '"1"'
    assert document.fresh_until == clock.now + 700
    assert 'If-None-Match: "1"' in server.requests[1]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"cache_control": "no-store"}, 60),
        ({"cache_control": "max-age=1"}, 60),
        ({"cache_control": "max-age=99999999"}, MOST_FRESH_SECONDS),
        ({}, 300),
    ],
)
def test_freshness_is_bounded(clock, header, seconds):
    with serving(answering(b"one", **header)) as server:
        document = get_document(server.url(), limits=LIMITS)

    assert document.fresh_until == clock.now + seconds


def test_younger_document_can_be_asked_for(clock):
    with serving(answering(b"one", cache_control="max-age=600")) as server:
        get_document(server.url(), limits=LIMITS)
        clock.now += 30
        get_document(server.url(), limits=LIMITS, most_age_seconds=60)
        assert len(server.requests) == 1
        clock.now += 31
        get_document(server.url(), limits=LIMITS, most_age_seconds=60)

    assert len(server.requests) == 2


def test_stored_document_stands_in_when_the_fetch_fails(clock):
    answers = [answering(b"one"), answering(b"", status="500 Oops")]
    with serving(in_turn(answers)) as server:
        get_document(server.url(), limits=LIMITS)
        clock.now += 301
        assert get_document(server.url(), limits=LIMITS).body == b"one"


def test_failing_address_is_left_alone_for_longer_and_longer(clock):
    with serving(answering(b"", status="500 Oops")) as server:
        for pause in (5, 10, 20):
            with pytest.raises(UnexpectedAnswer):
                get_document(server.url(), limits=LIMITS)
            clock.now += pause - 1
            with pytest.raises(TooManyFetches):
                get_document(server.url(), limits=LIMITS)
            clock.now += 2

    assert len(server.requests) == 3


def test_success_ends_the_pauses(clock):
    answers = [answering(b"", status="500 Oops"), answering(b"one")]
    with serving(in_turn(answers)) as server:
        with pytest.raises(UnexpectedAnswer):
            get_document(server.url(), limits=LIMITS)
        clock.now += 6
        get_document(server.url(), limits=LIMITS)

    assert not [key for key in cache._cache.get_client().keys("*") if b"failed" in key]


def test_many_at_once_make_one_fetch():
    released = threading.Event()
    found = []

    def slowly(connection, head):
        released.wait(20)
        answering(b"one")(connection, head)

    with serving(slowly) as server:
        url = server.url()
        threads = [
            threading.Thread(target=lambda: found.append(get_document(url, limits=LIMITS).body))
            for _ in range(MOST_WAITING)
        ]
        for thread in threads:
            thread.start()
        while not server.requests:
            threading.Event().wait(0.01)
        released.set()
        for thread in threads:
            thread.join(30)

    assert found == [b"one"] * MOST_WAITING
    assert len(server.requests) == 1


def test_slow_hosts_hold_few_threads():
    released = threading.Event()

    def slowly(connection, head):
        released.wait(20)
        answering(b"one")(connection, head)

    with serving(slowly) as server:
        url = server.url()
        threads = [
            threading.Thread(target=lambda: get_document(url, limits=LIMITS))
            for _ in range(MOST_WAITING)
        ]
        for thread in threads:
            thread.start()
        while module._places._value:
            threading.Event().wait(0.01)

        with pytest.raises(TooManyFetches, match="as many wait"):
            get_document(server.url("/other"), limits=LIMITS)
        released.set()
        for thread in threads:
            thread.join(30)

    with serving(answering(b"two")) as server:
        assert get_document(server.url(), limits=LIMITS).body == b"two"


def test_another_kind_of_document_is_kept_apart():
    with serving(answering(b"one")) as server:
        get_document(server.url(), limits=LIMITS)
        get_document(server.url(), limits=replace(LIMITS, accept="text/plain"))

    assert len(server.requests) == 2


def test_forbidden_target_is_no_document(settings):
    settings.OUTBOUND_ALLOW_PRIVATE = False

    with pytest.raises(ForbiddenTarget):
        get_document("https://127.0.0.1/", limits=LIMITS)


def test_without_valkey_nothing_is_fetched(settings):
    settings.CACHES = {
        "default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}
    }
    with serving(answering(b"one")) as server, pytest.raises(TooManyFetches):
        get_document(server.url(), limits=LIMITS)

    assert server.connections == 0
