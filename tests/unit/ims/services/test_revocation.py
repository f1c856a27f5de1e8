import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from ims.models import AccessToken, Client, RevocationEvent
from ims.queries.live_tokens import is_live
from ims.services.delete_expired_revocations import delete_expired_revocations
from ims.services.disable_client import disable_client
from ims.services.enable_client import enable_client
from ims.services.issue_client_token import issue_client_token
from ims.services.revoke_access_token import revoke_access_token
from ims.services.revoke_client_tokens import revoke_client_tokens
from ims.services.revoke_grant import revoke_grant
from ims.services.write_revocation_events import write_revocation_events
from tests.factories.identity import (
    make_access_token,
    make_client,
    make_grant,
    make_resource,
    make_user,
)
from wire import bearer


def digests_on_the_feed():
    return {bytes(event.token_digest) for event in RevocationEvent.objects.all()}


@pytest.mark.django_db
def test_grant_takes_its_live_tokens_only():
    client, user = make_client().client, make_user()
    grant = make_grant(client, user)
    live, record = make_access_token(client, user=user, grant=grant)
    make_access_token(client, user=user, grant=grant, expires_at=timezone.now())
    make_access_token(client, user=user, grant=make_grant(client, user))

    revoke_grant(grant=grant)
    revoke_grant(grant=grant)

    record.refresh_from_db()
    assert grant.revoked_at is not None
    assert record.revoked_at is not None
    assert digests_on_the_feed() == {bearer.digest(live)}
    assert RevocationEvent.objects.get().expires_at == record.expires_at
    assert AccessToken.objects.filter(revoked_at=None).count() == 2


@pytest.mark.django_db
def test_expired_token_is_no_news():
    _, record = make_access_token(make_client().client, expires_at=timezone.now())

    revoke_access_token(access_token=record)

    assert digests_on_the_feed() == set()


@pytest.mark.django_db
def test_disabled_client_loses_grants_and_tokens():
    client, user = make_client().client, make_user()
    grant = make_grant(client, user)
    tokens = [
        make_access_token(client)[0],
        make_access_token(client, user=user, grant=grant)[0],
    ]
    make_access_token(make_client().client)

    disable_client(client=client)

    grant.refresh_from_db()
    assert client.disabled_at is not None
    assert grant.revoked_at is not None
    assert digests_on_the_feed() == {bearer.digest(token) for token in tokens}


@pytest.mark.django_db
def test_enabled_client_does_not_get_its_tokens_back():
    client = make_client().client
    _, record = make_access_token(client)
    disable_client(client=client)

    enable_client(client=client)

    record.refresh_from_db()
    assert client.disabled_at is None
    assert record.revoked_at is not None


@pytest.mark.django_db(transaction=True)
def test_token_that_was_being_issued_during_the_stop_does_not_come_to_life():
    make_resource()
    client = make_client(scopes=["orders:read"]).client
    issued, authenticated = [], Client.objects.get(pk=client.pk)

    def issue():
        issued.append(issue_client_token(client=authenticated).access_token)
        connection.close()

    with transaction.atomic():
        disable_client(client=client)
        issuing = threading.Thread(target=issue)
        issuing.start()
        issuing.join(0.3)
        assert not issued, "it waits for the stop"
    issuing.join()
    assert AccessToken.objects.get().revoked_at is None  # refused only because its client is

    enable_client(client=client)

    assert AccessToken.objects.get().revoked_at is not None
    assert bearer.digest(issued[0]) in digests_on_the_feed()


@pytest.mark.django_db
def test_client_without_tokens_writes_nothing():
    assert revoke_client_tokens(client=make_client().client) == 0
    assert digests_on_the_feed() == set()


@pytest.mark.django_db
def test_purge_keeps_the_newest_event_as_the_cursor():
    now = timezone.now()
    live, old, newest = (
        RevocationEvent.objects.create(token_digest=b"x" * 32, expires_at=now + timedelta(hours=h))
        for h in (0, -2, -2)
    )

    assert delete_expired_revocations() == 1

    assert list(RevocationEvent.objects.order_by("id")) == [live, newest]
    assert old not in RevocationEvent.objects.all()


@pytest.mark.django_db(transaction=True)
def test_events_need_the_transaction_that_revokes():
    _, record = make_access_token(make_client().client)

    with pytest.raises(transaction.TransactionManagementError):
        write_revocation_events(access_tokens=[record])


@pytest.mark.django_db(transaction=True)
def test_ids_become_visible_in_their_order():
    """A second writer waits for the first, so no id shows up below one that was already read."""
    client = make_client().client
    first, second = make_access_token(client)[1], make_access_token(client)[1]
    done = threading.Event()

    def revoke_second():
        revoke_access_token(access_token=second)
        connection.close()
        done.set()

    writer = threading.Thread(target=revoke_second)
    with transaction.atomic():
        revoke_access_token(access_token=first)
        writer.start()
        assert not done.wait(0.5)
    writer.join(30)

    assert done.is_set()
    assert [bytes(e.token_digest) for e in RevocationEvent.objects.order_by("id")] == [
        bytes(first.digest),
        bytes(second.digest),
    ]


@pytest.mark.django_db(transaction=True)
def test_token_in_the_making_is_born_dead():
    """One that revocation could not see yet finds its grant revoked when it comes to light."""
    client, user = make_client().client, make_user()
    grant = make_grant(client, user)

    def revoke():
        revoke_grant(grant=grant)
        connection.close()

    revoker = threading.Thread(target=revoke)
    with transaction.atomic():
        _, record = make_access_token(client, user=user, grant=grant)
        revoker.start()
        revoker.join(30)

    assert not is_live(AccessToken.objects.select_related().get(pk=record.pk))
