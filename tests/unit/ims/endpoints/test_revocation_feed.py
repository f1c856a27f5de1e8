import asyncio
import json
import time
from datetime import timedelta
from urllib.parse import urlencode

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from ims.endpoints import revocation_feed
from ims.endpoints.revocation_feed import build_application
from ims.models import RevocationEvent
from ims.queries import revocations
from ims.services.revoke_access_token import revoke_access_token
from tests.factories.identity import basic, make_access_token, make_client, make_resource
from wire.revocation_feed import RevocationPage, parse_page

pytestmark = pytest.mark.django_db(transaction=True)


async def off_the_loop(function, *args):
    """Return what `function` returns; its thread keeps no connection to the test database."""

    def run():
        try:
            return function(*args)
        finally:
            connection.close()

    return await sync_to_async(run, thread_sensitive=False)()


class SignalInProcess:
    """A change signal whose changes are made by `change`."""

    def __init__(self):
        self._changes = 0
        self._changed = asyncio.Event()

    def change(self):
        self._changes += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def mark(self):
        return self._changes

    async def wait(self, since, timeout_seconds):
        changed = self._changed
        if self._changes == since:
            try:
                await asyncio.wait_for(changed.wait(), timeout_seconds)
            except TimeoutError:
                return


@pytest.fixture
def signal():
    return SignalInProcess()


@pytest.fixture
def gateway():
    known = make_client(client_id="gateway")
    make_resource(readers=[known.client])
    return known


def make_scope(header=None, method="GET", **query):
    headers = [] if header is None else [(b"authorization", header.encode())]
    return {
        "type": "http",
        "method": method,
        "path": "/oauth/revocations",
        "query_string": urlencode(query).encode(),
        "headers": headers,
    }


class Caller:
    """One request's two channels."""

    def __init__(self):
        self.sent = []
        self.received = asyncio.Queue()
        self.received.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def send(self, message):
        self.sent.append(message)

    @property
    def status(self):
        return self.sent[0]["status"]

    @property
    def headers(self):
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def document(self):
        return json.loads(self.sent[1]["body"])


async def call(signal, scope):
    caller = Caller()
    await asyncio.wait_for(
        build_application(signal)(scope, caller.received.get, caller.send), timeout=30
    )
    return caller


async def read(signal, gateway, **query):
    caller = await call(signal, make_scope(gateway.headers["Authorization"], **query))
    assert caller.status == 200
    return parse_page(caller.document)


def add_events(count, **changes):
    members = {"expires_at": timezone.now() + timedelta(hours=1)} | changes
    return RevocationEvent.objects.bulk_create(
        RevocationEvent(token_digest=bytes([n]) * 32, **members) for n in range(count)
    )


def revoke_one():
    token, record = make_access_token(make_client().client)
    revoke_access_token(access_token=record)
    return token, bytes(record.digest)


async def test_first_read_answers_where_the_feed_stands(signal, gateway):
    events = await off_the_loop(add_events, 3)

    page = await read(signal, gateway)

    assert page == RevocationPage(cursor=events[-1].pk)


async def test_empty_feed_stands_at_zero_and_goes_on_from_there(signal, gateway):
    assert (await read(signal, gateway)).cursor == 0
    assert await read(signal, gateway, after=0) == RevocationPage(cursor=0)


async def test_page_holds_what_is_behind_the_cursor(signal, gateway):
    events = await off_the_loop(add_events, 3)

    page = await read(signal, gateway, after=events[0].pk)

    assert page.cursor == events[2].pk
    assert page.digests == (b"\x01" * 32, b"\x02" * 32)
    assert not page.reset


async def test_answer_is_private_json(signal, gateway):
    caller = await call(signal, make_scope(gateway.headers["Authorization"]))

    assert caller.headers["content-type"] == "application/json"
    assert caller.headers["cache-control"] == "no-store"
    assert int(caller.headers["content-length"]) == len(caller.sent[1]["body"])


async def test_long_feed_comes_in_pages(signal, gateway, monkeypatch):
    monkeypatch.setattr(revocations, "PAGE_SIZE", 2)
    events = await off_the_loop(add_events, 3)

    first = await read(signal, gateway, after=events[0].pk - 1)
    second = await read(signal, gateway, after=first.cursor)

    assert len(first.digests) == 2
    assert second == RevocationPage(cursor=events[2].pk, digests=(b"\x02" * 32,))


async def test_cursor_that_cannot_be_continued_is_reset(signal, gateway):
    events = await off_the_loop(add_events, 4)
    newest = events[3].pk
    await off_the_loop(RevocationEvent.objects.filter(pk__lt=newest).delete)

    too_old = await read(signal, gateway, after=events[0].pk)
    too_new = await read(signal, gateway, after=newest + 1)

    assert too_old == too_new == RevocationPage(cursor=newest, reset=True)


async def test_wait_ends_with_the_news(signal, gateway):
    cursor = (await read(signal, gateway)).cursor
    poll = asyncio.create_task(read(signal, gateway, after=cursor, wait=25))
    await asyncio.sleep(0.3)
    assert not poll.done()

    _, digest = await off_the_loop(revoke_one)
    signal.change()

    page = await asyncio.wait_for(poll, 10)
    assert page.digests == (digest,)


async def test_change_without_news_keeps_waiting(signal, gateway):
    poll = asyncio.create_task(read(signal, gateway, after=0, wait=25))
    await asyncio.sleep(0.2)

    signal.change()
    await asyncio.sleep(0.3)

    assert not poll.done()
    _, digest = await off_the_loop(revoke_one)
    signal.change()
    assert (await asyncio.wait_for(poll, 10)).digests == (digest,)


async def test_wait_ends_with_its_time(signal, gateway):
    started = time.monotonic()

    page = await read(signal, gateway, after=0, wait=1)

    assert page == RevocationPage(cursor=0)
    assert time.monotonic() - started >= 1


async def test_wait_has_an_upper_bound(signal, gateway, monkeypatch):
    monkeypatch.setattr(revocation_feed, "LONGEST_WAIT_SECONDS", 1)

    assert await read(signal, gateway, after=0, wait=9999) == RevocationPage(cursor=0)


async def test_caller_that_hangs_up_ends_the_wait(signal, gateway):
    caller = Caller()
    scope = make_scope(gateway.headers["Authorization"], after=0, wait=25)
    poll = asyncio.create_task(build_application(signal)(scope, caller.received.get, caller.send))
    await asyncio.sleep(0.3)

    caller.received.put_nowait({"type": "http.disconnect"})

    await asyncio.wait_for(poll, 5)
    assert caller.sent == []


async def test_failing_signal_is_not_taken_for_news(gateway):
    class Broken(SignalInProcess):
        async def wait(self, since, timeout_seconds):
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        await read(Broken(), gateway, after=0, wait=5)


@pytest.mark.parametrize(
    "header", [None, "Basic !!", "Bearer x", basic("gateway", "wrong"), basic("nobody", "x")]
)
async def test_stranger_is_challenged(signal, gateway, header):
    caller = await call(signal, make_scope(header, wait=25))

    assert caller.status == 401
    assert caller.headers["www-authenticate"].startswith("Basic ")
    assert caller.document["error"] == "invalid_client"


async def test_client_that_introspects_nothing_is_refused(signal, gateway):
    other = await off_the_loop(make_client)

    caller = await call(signal, make_scope(other.headers["Authorization"]))

    assert caller.status == 400
    assert caller.document["error"] == "unauthorized_client"


@pytest.mark.parametrize(
    "query",
    [
        {"after": "-1"},
        {"after": ""},
        {"after": "1.5"},
        {"after": "٣"},
        {"after": str(2**63)},
        {"after": "9" * 5000},
        {"wait": "soon"},
        {"wait": "-1"},
    ],
)
async def test_malformed_number_is_named(signal, gateway, query):
    caller = await call(signal, make_scope(gateway.headers["Authorization"], **query))

    assert caller.status == 400
    assert caller.document["error_description"].startswith(next(iter(query)))


async def test_post_is_refused(signal, gateway):
    caller = await call(signal, make_scope(gateway.headers["Authorization"], "POST"))

    assert caller.status == 405
    assert caller.headers["allow"] == "GET"


async def test_revocation_notifies_listeners_of_postgresql(settings):
    address = settings.DATABASES["default"]
    listener = await psycopg.AsyncConnection.connect(
        host=address["HOST"],
        port=address["PORT"] or None,
        user=address["USER"],
        password=address["PASSWORD"] or None,
        dbname=connection.settings_dict["NAME"],
        autocommit=True,
    )
    async with listener:
        await listener.execute("LISTEN tollgate_revocation")

        await off_the_loop(revoke_one)

        notices = [notice async for notice in listener.notifies(timeout=10, stop_after=1)]
    assert [notice.channel for notice in notices] == ["tollgate_revocation"]
