from datetime import timedelta

import pytest
from django.utils import timezone

from ims.models import AccessToken, AuthorizationCode, Grant, RefreshToken
from ims.services.delete_expired_credentials import delete_expired_credentials
from ims.tasks import purge_expired
from tests.factories.identity import (
    make_access_token,
    make_client,
    make_grant,
    make_refresh_token,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def grant():
    grant = make_grant(make_client().client, make_user())
    Grant.objects.update(created_at=timezone.now() - timedelta(days=40))
    return grant


def make_code(grant, expires_at):
    return AuthorizationCode.objects.create(
        digest=bytes(32),
        grant=grant,
        client=grant.client,
        redirect_uri="https://app.example/cb",
        code_challenge="x",
        expires_at=expires_at,
    )


def ago(**time):
    return timezone.now() - timedelta(**time)


def test_dead_credentials_and_their_grant_go(grant):
    make_access_token(grant.client, grant=grant, user=grant.user, expires_at=ago(seconds=1))
    make_refresh_token(grant, expires_at=ago(seconds=1))
    make_code(grant, ago(days=2))

    assert delete_expired_credentials() == {
        "AuthorizationCode": 1,
        "RefreshToken": 1,
        "AccessToken": 1,
        "Grant": 1,
    }


def test_live_credentials_keep_their_grant(grant):
    make_access_token(grant.client, grant=grant, user=grant.user)
    make_refresh_token(grant)

    delete_expired_credentials()

    assert (AccessToken.objects.count(), RefreshToken.objects.count()) == (1, 1)
    assert Grant.objects.exists()


def test_used_refresh_token_stays_until_its_end_so_that_its_replay_is_seen(grant):
    make_refresh_token(grant, used_at=ago(days=10))

    delete_expired_credentials()

    assert RefreshToken.objects.exists()


def test_code_stays_a_day_so_that_its_replay_is_seen(grant):
    make_code(grant, ago(hours=23))

    delete_expired_credentials()

    assert AuthorizationCode.objects.exists()


def test_young_grant_stays_while_its_code_is_on_the_way(grant):
    Grant.objects.update(created_at=timezone.now())

    delete_expired_credentials()

    assert Grant.objects.exists()


def test_task_runs_the_service(grant):
    purge_expired()

    assert not Grant.objects.exists()
