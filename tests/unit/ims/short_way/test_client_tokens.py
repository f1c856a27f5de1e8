"""What is remembered of a client never outlives what it was decided from."""

import asyncio
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.utils import timezone

from ims.models import AccessToken, AuditEvent, ResourceScope
from ims.services import lock_client_tokens
from ims.services.disable_client import disable_client
from ims.short_way.door import Door
from tests.factories.identity import INVOICES, make_client, make_resource
from tests.unit.ims.short_way.asgi_call import connect

pytestmark = pytest.mark.django_db(transaction=True)
ISSUE = {"grant_type": "client_credentials", "scope": "orders:read"}


@pytest.fixture
def known():
    make_resource()
    return make_client(scopes=["orders:read"])


async def off_the_loop(function):
    def run():
        try:
            return function()
        finally:
            connection.close()

    return await sync_to_async(run, thread_sensitive=False)()


async def ask(door, known, form=ISSUE):
    headers = {b"authorization": known.headers["Authorization"].encode()}
    scope = {"path": "/oauth/token", "headers": list(headers.items()), "client": ("127.0.0.1", 1)}
    return await door.answer(scope, headers, urlencode(form).encode())


def ask_around(known, change, form=ISSUE):
    """Return the answers before and after `change`, and how many statements the former took."""

    async def run():
        door = Door()
        await connect(door.pipeline)
        asked = []
        once = door.pipeline.ask
        door.pipeline.ask = lambda statement, values: (
            asked.append(statement.name) or once(statement, values)
        )
        before = [await ask(door, known, form) for _ in range(3)]
        count = len(asked)
        await off_the_loop(change)
        after = await ask(door, known, form)
        await door.pipeline.stop()
        return before, after, count

    return asyncio.run(run())


def update(record, **changes):
    for name, value in changes.items():
        setattr(record, name, value)
    record.save()


CHANGES = {
    "disabled": lambda client: disable_client(client=client),
    "deleted": lambda client: client.delete(),
    "secret revoked": lambda client: client.secrets.all().delete(),
    "secret expired": lambda client: client.secrets.update(
        expires_at=timezone.now() - timedelta(seconds=1)
    ),
    "other scopes": lambda client: update(client, scopes=["invoices:read"]),
    "other grant": lambda client: update(client, grant_types=["authorization_code"]),
    "other method": lambda client: update(client, token_endpoint_auth_method="private_key_jwt"),
    "bound tokens only": lambda client: update(client, metadata={"dpop_bound_access_tokens": True}),
    "scope withdrawn": lambda _: ResourceScope.objects.all().delete(),
    "scope at another resource too": lambda _: make_resource(INVOICES),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_change_is_seen_by_the_very_next_request(known, change):
    before, after, _ = ask_around(known, lambda: change(known.client))

    assert [answer.status for answer in before] == [200] * 3
    assert after is None, "the view is to find out"
    assert AccessToken.objects.count() == 3


def test_token_takes_one_statement_once_the_client_is_known(known):
    before, _, count = ask_around(known, lambda: None)

    assert len(before) == 3
    assert count == 4, "one to look up the client, one for each token"


def test_what_concerns_another_scope_changes_nothing(known):
    _, after, _ = ask_around(known, lambda: make_resource(INVOICES, scopes=["invoices:read"]))

    assert after.status == 200


def test_own_interface_stays_closed_to_clients_not_registered_for_it(known):
    make_resource("https://gateway.example/manage", scopes=["manage"])
    known.client.scopes = []
    known.client.save()

    before, _, _ = ask_around(known, lambda: None, {**ISSUE, "scope": "manage"})

    assert before == [None] * 3


def test_wrong_secret_gets_nothing(known):
    other = make_client(client_id="other", scopes=["orders:read"])
    imposter = type(known)(known.client, other.secret)

    before, _, _ = ask_around(imposter, lambda: None)

    assert before == [None] * 3
    assert not AccessToken.objects.exists()
    assert not AuditEvent.objects.exists()


def test_revocation_is_not_waited_for(known):
    """Who revokes may hold the lock for long; other clients' tokens are behind in the pipeline."""

    async def run():
        door = Door()
        await connect(door.pipeline)
        first = await ask(door, known)
        locked, done = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def revoke():
            with transaction.atomic():
                lock_client_tokens.lock_client_tokens(client=known.client)
                loop.call_soon_threadsafe(locked.set)
                asyncio.run_coroutine_threadsafe(done.wait(), loop).result(20)

        revoking = asyncio.ensure_future(off_the_loop(revoke))
        await locked.wait()
        async with asyncio.timeout(5):
            meanwhile = await ask(door, known)
        done.set()
        await revoking
        await door.pipeline.stop()
        return first, meanwhile

    first, meanwhile = asyncio.run(run())
    assert first.status == 200
    assert meanwhile is None


def test_memory_of_clients_is_bounded(known, monkeypatch):
    monkeypatch.setattr("ims.short_way.issue._MOST_REMEMBERED", 1)
    other = make_client(scopes=["orders:read"])

    async def run():
        door = Door()
        await connect(door.pipeline)
        answers = [await ask(door, one) for one in (known, other, known, other)]
        await door.pipeline.stop()
        return answers

    assert [answer.status for answer in asyncio.run(run())] == [200] * 4


def test_a_form_of_many_words_is_answered_and_not_remembered(known):
    form = ISSUE | {"scope": " ".join(["orders:read"] * 1000)}

    before, _, count = ask_around(known, lambda: None, form)

    assert [answer.status for answer in before] == [200] * 3
    assert count == 6
