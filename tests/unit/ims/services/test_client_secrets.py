from datetime import timedelta

import pytest
from django.utils import timezone

from ims import conf
from ims.endpoints.client_authentication import authenticate_client
from ims.errors import TooManySecrets
from ims.models import AuditEvent, ClientSecret, RegistrationPolicy
from ims.services.add_client_secret import add_client_secret
from ims.services.delete_expired_secrets import delete_expired_secrets
from ims.services.revoke_client_secret import revoke_client_secret
from ims.services.rotate_client_secret import rotate_client_secret
from tests.factories.identity import basic, make_client
from wire import bearer
from wire.oauth_errors import InvalidClient

pytestmark = pytest.mark.django_db


def opens(rf, client, secret):
    request = rf.post("/", headers={"Authorization": basic(client.client_id, secret)})
    try:
        return authenticate_client(request) == client
    except InvalidClient:
        return False


def test_several_secrets_open_one_client(rf):
    known = make_client()

    added = add_client_secret(client=known.client, label="blue")

    assert opens(rf, known.client, known.secret)
    assert opens(rf, known.client, added.secret)
    assert added.expires_at is None
    assert known.client.secrets.get(label="blue")


def test_secret_opens_until_its_end(rf):
    client = make_client().client
    ends = timezone.now() + timedelta(hours=1)
    added = add_client_secret(client=client, expires_at=ends)
    assert opens(rf, client, added.secret)

    ClientSecret.objects.filter(digest=bearer.digest(added.secret)).update(
        expires_at=timezone.now()
    )

    assert added.expires_at == ends
    assert not opens(rf, client, added.secret)


def test_revoked_secret_opens_nothing_and_the_others_do(rf):
    known = make_client()
    added = add_client_secret(client=known.client)

    revoke_client_secret(secret=known.client.secrets.get(digest=bearer.digest(added.secret)))

    assert not opens(rf, known.client, added.secret)
    assert opens(rf, known.client, known.secret)


def test_rotation_ends_every_former_secret(rf):
    known = make_client()
    added = add_client_secret(client=known.client)

    issued = rotate_client_secret(client=known.client)

    assert opens(rf, known.client, issued.secret)
    assert not opens(rf, known.client, known.secret)
    assert not opens(rf, known.client, added.secret)


def test_overlap_lets_the_former_secret_live_on_for_a_while(rf):
    known = make_client()

    issued = rotate_client_secret(client=known.client, overlap_seconds=600)

    assert opens(rf, known.client, issued.secret)
    assert opens(rf, known.client, known.secret)
    former = known.client.secrets.get(digest=bearer.digest(known.secret))
    assert timedelta(0) < former.expires_at - timezone.now() <= timedelta(seconds=600)


def test_overlap_never_lengthens_a_life():
    known = make_client()
    soon = timezone.now() + timedelta(seconds=60)
    known.client.secrets.update(expires_at=soon)

    rotate_client_secret(client=known.client, overlap_seconds=3600)

    assert known.client.secrets.get(digest=bearer.digest(known.secret)).expires_at == soon


def test_overlap_is_bounded():
    known = make_client()

    rotate_client_secret(client=known.client, overlap_seconds=10**9)

    former = known.client.secrets.get(digest=bearer.digest(known.secret))
    longest = timedelta(seconds=conf.LONGEST_SECRET_OVERLAP_SECONDS)
    assert former.expires_at - timezone.now() <= longest


def test_secrets_do_not_pile_up():
    client = make_client().client
    for _ in range(conf.MOST_CLIENT_SECRETS - 1):
        add_client_secret(client=client)

    with pytest.raises(TooManySecrets):
        add_client_secret(client=client)
    newest = rotate_client_secret(client=client, overlap_seconds=60)

    assert client.secrets.count() == conf.MOST_CLIENT_SECRETS
    assert client.secrets.filter(digest=bearer.digest(newest.secret), expires_at=None).exists()


def test_policy_gives_secrets_an_end():
    policy = RegistrationPolicy.objects.create(name="strict", secret_lifetime_days=30)
    client = make_client(policy=policy).client

    issued = rotate_client_secret(client=client)

    assert timedelta(days=29) < issued.expires_at - timezone.now() <= timedelta(days=30)


def test_expired_secrets_are_pruned():
    client = make_client().client
    add_client_secret(client=client, expires_at=timezone.now() - timedelta(seconds=1))
    add_client_secret(client=client, expires_at=timezone.now() + timedelta(hours=1))

    assert delete_expired_secrets() == 1
    assert client.secrets.count() == 2


def test_each_change_is_in_the_audit_log_without_the_secret():
    client = make_client().client

    issued = add_client_secret(client=client, label="blue")
    revoke_client_secret(secret=client.secrets.get(label="blue"))

    events = list(AuditEvent.objects.filter(event="client.secret_rotated"))
    assert len(events) == 2
    assert all(event.client_id == client.client_id for event in events)
    assert all(issued.secret not in str(event.detail) for event in events)
