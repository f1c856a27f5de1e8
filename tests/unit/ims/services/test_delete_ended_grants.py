from datetime import timedelta

import pytest
from django.utils import timezone

from ims.models import AuthorizationCode, Grant
from ims.services.delete_ended_grants import delete_ended_grants
from ims.services.maintain_partitions import maintain_partitions
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


def test_grant_goes_when_everything_made_from_it_is_gone(grant):
    make_access_token(grant.client, grant=grant, user=grant.user, expires_at=ago(hours=2))
    make_refresh_token(grant, expires_at=ago(days=8))
    make_code(grant, ago(days=3))
    assert delete_ended_grants() == 0

    maintain_partitions()

    assert delete_ended_grants() == 1
    assert not Grant.objects.exists()


@pytest.mark.parametrize(
    "make_child",
    [
        lambda grant: make_access_token(grant.client, grant=grant, user=grant.user),
        lambda grant: make_refresh_token(grant, used_at=ago(days=10)),
        lambda grant: make_code(grant, ago(hours=23)),
    ],
    ids=["access token", "used refresh token", "used code"],
)
def test_grant_stays_while_something_made_from_it_is_known(grant, make_child):
    make_child(grant)
    maintain_partitions()

    assert delete_ended_grants() == 0

    assert Grant.objects.exists()


def test_young_grant_stays_while_its_code_is_on_the_way(grant):
    Grant.objects.update(created_at=timezone.now())

    delete_ended_grants()

    assert Grant.objects.exists()


def test_task_runs_the_service(grant):
    purge_expired()

    assert not Grant.objects.exists()
