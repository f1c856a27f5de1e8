import asyncio
import contextlib
import json
import threading
from dataclasses import dataclass

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, transaction

from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.http import read_configuration, snapshot_feed
from ams.http.snapshot_feed import build_application
from tests.factories.usage import make_subscription, set_version

pytestmark = pytest.mark.django_db(transaction=True)

GATEWAY = [(b"authorization", b"Bearer gateway-token")]


class Signal:
    """A `wire.change_signal.ChangeSignal` that the test raises by hand."""

    def __init__(self):
        self.changes = 0
        self.waits = []
        self._event = asyncio.Event()

    def mark(self):
        return self.changes

    def note(self):
        self.changes += 1
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, since, timeout_seconds):
        self.waits.append(timeout_seconds)
        if self.changes > since:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), timeout_seconds)


@dataclass
class Received:
    status: int
    headers: dict
    body: bytes

    @property
    def document(self):
        return json.loads(self.body)


class Poll:
    """One request to the application; it can hang up."""

    def __init__(self, application, query="", *, headers=GATEWAY, method="GET"):
        self._incoming = asyncio.Queue()
        self._incoming.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self.sent = []
        scope = {
            "type": "http",
            "method": method,
            "path": "/control/v1/snapshot",
            "query_string": query.encode(),
            "headers": headers,
        }
        self.task = asyncio.ensure_future(application(scope, self._incoming.get, self._send))

    async def _send(self, message):
        self.sent.append(message)

    def hang_up(self):
        self._incoming.put_nowait({"type": "http.disconnect"})

    async def answer(self, timeout_seconds=20):
        await asyncio.wait_for(self.task, timeout_seconds)
        start, body = self.sent
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return Received(start["status"], headers, body["body"])


def _change(subject):
    with transaction.atomic():
        make_subscription(subject=subject)
        version = raise_configuration_version()
    connection.close()
    return version


async def _in_thread(function, *arguments):
    return await sync_to_async(function, thread_sensitive=False)(*arguments)


async def _until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - any condition, also one of a fake
            await asyncio.sleep(0.01)


async def test_a_gateway_that_is_behind_gets_the_snapshot_at_once(token_service):
    version = await _in_thread(_change, "alice")

    answer = await Poll(build_application(Signal()), "after=1&wait=25").answer()

    assert (answer.status, answer.document["version"]) == (200, version)
    assert len(answer.document["subscriptions"]) == 1
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert int(answer.headers["content-length"]) == len(answer.body)


async def test_without_parameters_the_answer_is_the_present_snapshot(token_service):
    answer = await Poll(build_application(Signal())).answer()

    assert (answer.status, answer.document["version"]) == (200, 1)


async def test_a_gateway_that_is_up_to_date_hears_nothing_when_the_wait_is_over(token_service):
    signal = Signal()

    answer = await Poll(build_application(signal), "after=1&wait=1").answer()

    assert (answer.status, answer.body) == (204, b"")
    assert signal.waits[0] <= 1


async def test_a_change_wakes_every_gateway_and_is_built_once(token_service, monkeypatch):
    builds = []
    read = read_configuration.read_catalog
    monkeypatch.setattr(
        read_configuration, "read_catalog", lambda known: builds.append(1) or read(known)
    )
    signal = Signal()
    application = build_application(signal)
    polls = [Poll(application, "after=1&wait=25") for _ in range(12)]
    await _until(lambda: len(signal.waits) == 12)
    builds.clear()

    version = await _in_thread(_change, "alice")
    signal.note()

    answers = [await poll.answer() for poll in polls]
    assert {(answer.status, answer.document["version"]) for answer in answers} == {(200, version)}
    assert len(builds) == 1


async def test_a_signal_for_something_else_does_not_end_the_wait(token_service):
    signal = Signal()
    poll = Poll(build_application(signal), "after=1&wait=25")
    await _until(lambda: len(signal.waits) == 1)

    signal.note()
    await _until(lambda: len(signal.waits) == 2)

    assert not poll.task.done()
    poll.hang_up()
    await poll.task


async def test_a_change_is_seen_although_its_signal_was_lost(token_service, monkeypatch):
    monkeypatch.setattr(snapshot_feed, "RECHECK_SECONDS", 0.2)
    signal = Signal()
    poll = Poll(build_application(signal), "after=1&wait=25")
    await _until(lambda: signal.waits)

    version = await _in_thread(_change, "alice")

    assert (await poll.answer()).document["version"] == version


async def test_a_waiting_gateway_holds_no_thread_and_no_connection(token_service):
    before = threading.active_count()
    signal = Signal()
    application = build_application(signal)
    polls = [Poll(application, "after=1&wait=25") for _ in range(200)]
    await _until(lambda: len(signal.waits) == 200)

    stats = connection.pool.get_stats()
    # The test itself may hold one.
    assert stats["pool_size"] - stats["pool_available"] <= 1
    assert threading.active_count() - before < 60
    for poll in polls:
        poll.hang_up()
        await poll.task


async def test_a_gateway_that_hangs_up_ends_its_wait_without_an_answer(token_service):
    signal = Signal()
    poll = Poll(build_application(signal), "after=1&wait=25")
    await _until(lambda: signal.waits)

    poll.hang_up()
    await asyncio.wait_for(poll.task, 5)

    assert poll.sent == []


async def test_a_gateway_ahead_of_a_restored_database_is_told_after_the_wait(token_service):
    await _in_thread(set_version, 4)

    signal = Signal()
    answer = await Poll(build_application(signal), "after=9&wait=1").answer()

    assert (answer.status, answer.document["version"]) == (200, 4)
    assert signal.waits


async def test_a_gateway_that_says_what_it_holds_gets_the_change_alone(token_service):
    signal = Signal()
    application = build_application(signal)
    held = (await Poll(application).answer()).document
    poll = Poll(application, f"after=1&wait=25&digest={held['digest']}")
    await _until(lambda: signal.waits)

    version = await _in_thread(_change, "alice")
    signal.note()

    change = (await poll.answer()).document
    assert (change["since"], change["version"]) == (1, version)
    assert len(change["subscriptions"]) == 1


async def test_a_gateway_whose_content_is_another_gets_everything_after_the_wait(token_service):
    signal = Signal()

    answer = await Poll(build_application(signal), f"after=1&wait=1&digest={'0' * 32}").answer()

    assert (answer.status, answer.document["version"]) == (200, 1)
    assert "since" not in answer.document
    assert signal.waits


@pytest.mark.parametrize(
    ("headers", "status", "error"),
    [
        ([], 401, None),
        ([(b"authorization", b"Bearer unknown")], 401, "invalid_token"),
        ([(b"authorization", b"Bearer manager-token")], 403, "insufficient_scope"),
        ([(b"authorization", b"Bearer \xff")], 400, "invalid_request"),
        (GATEWAY * 2, 400, "invalid_request"),
    ],
)
async def test_only_a_gateway_may_read_the_snapshot(token_service, headers, status, error):
    answer = await Poll(build_application(Signal()), "after=-1", headers=headers).answer()

    assert (answer.status, answer.document["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="control"')
    assert (f'error="{error}"' in challenge) if error else ("error" not in challenge)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("after=-1", "after"),
        ("after=x", "after"),
        ("after=", "after"),
        ("after=%D9%A1", "after"),
        ("after=9999999999999999999", "after"),
        ("after=1&after=2", "after"),
        ("wait=1.5", "wait"),
        ("digest=x", "digest"),
        (f"digest={'0' * 32}&digest={'0' * 32}", "digest"),
        ("after=1&wait=abc", "wait"),
    ],
)
async def test_a_bad_parameter_is_named(token_service, query, named):
    answer = await Poll(build_application(Signal()), query).answer()

    assert answer.status == 400
    assert answer.document["detail"].startswith(f"{named}:")


async def test_other_methods_are_told_which_one_is_right(token_service):
    answer = await Poll(build_application(Signal()), method="POST").answer()

    assert (answer.status, answer.headers["allow"]) == (405, "GET")


async def test_nobody_gets_in_while_tokens_cannot_be_checked(token_service):
    token_service.is_down = True

    answer = await Poll(build_application(Signal())).answer()

    assert (answer.status, answer.headers["retry-after"]) == (503, "2")


async def test_a_database_that_is_away_is_worth_another_try(token_service, monkeypatch):
    def fail():
        raise OperationalError("The server went away.")

    monkeypatch.setattr(snapshot_feed, "read_version", fail)

    answer = await Poll(build_application(Signal()), "after=1&wait=25").answer()

    assert answer.status == 503


async def test_polls_of_one_token_ask_the_token_service_once(token_service):
    application = build_application(Signal())

    for _ in range(3):
        await Poll(application).answer()

    assert len(token_service.questions) == 1
