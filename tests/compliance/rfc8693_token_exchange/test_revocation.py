import threading

import pytest
from django.db import connection

from ims.checks.token_exchange_request import TokenExchangeRequest
from ims.models import AccessToken, Grant, RevocationEvent
from ims.services.disable_client import disable_client
from ims.services.exchange_token import exchange_token
from ims.services.revoke_access_token import revoke_access_token
from ims.services.revoke_grant import revoke_grant
from tests.factories import token_exchange as rfc8693
from tests.factories.identity import (
    make_access_token,
    make_client,
    make_grant,
    make_resource,
    make_user,
)
from wire import bearer
from wire.oauth_errors import InvalidRequest


@pytest.fixture
def app():
    return make_client()


@pytest.fixture
def agent(app):
    make_resource(scopes=["orders:read"])
    agent = rfc8693.make_acting_client()
    rfc8693.make_policy(agent, app, agent)
    return agent


def of_a_client(app):
    return make_access_token(app.client)[0]


def of_a_person(app):
    person = make_user()
    return make_access_token(app.client, user=person, grant=make_grant(app.client, person))[0]


def exchange(agent, token):
    request = TokenExchangeRequest(token, "", scopes=(), targets=())
    return exchange_token(client=agent.client, request=request).access_token


def record_of(token):
    return AccessToken.objects.get(digest=bearer.digest(token))


def check_all_ended(*tokens):
    digests = {bearer.digest(token) for token in tokens}
    assert not AccessToken.objects.filter(digest__in=digests, revoked_at=None).exists()
    assert digests <= {bytes(event.token_digest) for event in RevocationEvent.objects.all()}


@pytest.mark.django_db
@pytest.mark.compliance("RFC 8693", "2.1", "what came from a revoked subject token is revoked")
@pytest.mark.parametrize("make", [of_a_client, of_a_person])
def test_revoked_subject_token_takes_every_generation_with_it(app, agent, make):
    subject = make(app)
    child = exchange(agent, subject)
    grandchild = exchange(agent, child)

    revoke_access_token(access_token=record_of(subject))

    check_all_ended(subject, child, grandchild)


@pytest.mark.django_db
def test_revoked_exchanged_token_leaves_the_subject_token_alone(app, agent):
    subject = of_a_client(app)
    child = exchange(agent, subject)

    revoke_access_token(access_token=record_of(child))

    assert record_of(subject).revoked_at is None
    check_all_ended(child)


@pytest.mark.django_db
def test_revoked_grant_of_the_subject_reaches_it(app, agent):
    subject = of_a_person(app)
    child = exchange(agent, subject)

    revoke_grant(grant=Grant.objects.get())

    check_all_ended(subject, child)


@pytest.mark.django_db
@pytest.mark.parametrize("make", [of_a_client, of_a_person])
@pytest.mark.parametrize("who", ["subject", "actor"])
def test_disabled_client_reaches_it(app, agent, make, who):
    child = exchange(agent, make(app))

    disable_client(client=app.client if who == "subject" else agent.client)

    check_all_ended(child)


def run_at_once(*acts):
    """Run each in a thread of its own; return what failed beside refusals: a deadlock, for one."""
    start, failed = threading.Barrier(len(acts)), []

    def attempt(act):
        start.wait()
        try:
            act()
        except InvalidRequest:
            pass
        except Exception as error:  # noqa: BLE001 - it is shown by the test
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=attempt, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return failed


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("make", [of_a_client, of_a_person])
@pytest.mark.parametrize("end", ["token", "authorization", "acting client"])
def test_exchange_against_revocation_leaves_nothing_alive(app, agent, make, end):
    subject = make(app)
    record = record_of(subject)

    def revoke():
        if end == "token":
            revoke_access_token(access_token=record)
        elif end == "acting client":
            disable_client(client=agent.client)
        elif record.grant_id:
            revoke_grant(grant=Grant.objects.get())
        else:
            disable_client(client=app.client)

    failed = run_at_once(revoke, *(4 * [lambda: exchange(agent, subject)]))

    assert failed == []
    live = AccessToken.objects.filter(revoked_at=None, client__disabled_at=None)
    assert [token.client for token in live] == ([app.client] if end == "acting client" else [])
