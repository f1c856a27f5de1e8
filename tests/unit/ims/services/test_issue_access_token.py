"""How a token gets into the database: what it waits for, and what may be lost with the power."""

import threading

import pytest
from django.db import connection, transaction

from ims.audit.events import Event
from ims.models import AccessToken, AuditEvent, Consent, Grant, RevocationEvent
from ims.services.issue_access_token import issue_access_token
from ims.services.revoke_client_tokens import revoke_client_tokens
from ims.services.revoke_grant import revoke_grant
from tests.factories.identity import (
    make_client,
    make_grant,
    make_refresh_token,
    make_user,
)
from wire import bearer

SCOPES, RESOURCES = ["orders:read"], ["https://gateway.example/orders/v1"]
# A deferred trigger runs as the transaction commits: it sees the mode of that very commit.
NOTE_MODE = """
CREATE TABLE commit_mode (of_table text, mode text);
CREATE FUNCTION note_commit_mode() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO commit_mode VALUES (TG_ARGV[0], current_setting('synchronous_commit'));
    RETURN NULL;
END
$$;
"""
WATCH = """
CREATE CONSTRAINT TRIGGER note_commit_mode AFTER INSERT OR UPDATE ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_commit_mode('{table}')
"""
WATCHED = (
    "ims_accesstoken",
    "ims_refreshtoken",
    "ims_grant",
    "ims_consent",
    "ims_revocationevent",
)


@pytest.fixture
def commit_modes(transactional_db):
    """Return a function that tells in which modes rows of a table were committed."""
    with connection.cursor() as cursor:
        # The tests' server runs with it off; installations run with it on.
        cursor.execute("SET synchronous_commit TO on")
        cursor.execute(NOTE_MODE)
        for table in WATCHED:
            cursor.execute(WATCH.format(table=table))

    def modes_of(table):
        with connection.cursor() as cursor:
            cursor.execute("SELECT DISTINCT mode FROM commit_mode WHERE of_table = %s", [table])
            return {mode for (mode,) in cursor.fetchall()}

    yield modes_of
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION note_commit_mode CASCADE")
        cursor.execute("DROP TABLE commit_mode")
        cursor.execute("RESET synchronous_commit")


def issue(client, **members):
    return issue_access_token(client=client, scopes=SCOPES, resources=RESOURCES, **members)


def test_access_token_by_itself_does_not_wait_for_the_disk(commit_modes):
    issue(make_client().client)

    assert commit_modes("ims_accesstoken") == {"off"}


def test_commit_mode_ends_with_its_transaction(commit_modes):
    issue(make_client().client)

    make_grant(make_client().client, make_user())

    assert commit_modes("ims_grant") == {"on"}


def test_access_token_beside_a_refresh_token_is_as_durable_as_that(commit_modes):
    client, user = make_client().client, make_user()
    with transaction.atomic():
        grant = make_grant(client, user)
        make_refresh_token(grant)
        issue(client, grant=grant, user=user)

    assert commit_modes("ims_refreshtoken") == {"on"}
    assert commit_modes("ims_accesstoken") == {"on"}


def test_consents_and_revocations_wait_for_the_disk(commit_modes):
    client, user = make_client().client, make_user()
    Consent.objects.create(user=user, client=client)
    grant = make_grant(client, user)
    issue(client, grant=grant, user=user)

    revoke_grant(grant=grant)

    for table in ("ims_consent", "ims_grant", "ims_revocationevent"):
        assert commit_modes(table) == {"on"}, table


@pytest.mark.django_db
def test_audit_event_comes_with_the_token(django_assert_num_queries):
    client = make_client().client

    with django_assert_num_queries(1):
        issued = issue(client)

    event = AuditEvent.objects.get(event=Event.TOKEN_ISSUED)
    assert (event.client_id, event.subject) == (client.client_id, "")
    assert event.detail["token"] == bearer.digest(issued.token)[:8].hex()


@pytest.mark.django_db
def test_token_of_a_grant_that_is_gone_is_refused():
    client, user = make_client().client, make_user()
    grant = make_grant(client, user)
    Grant.objects.filter(pk=grant.pk).delete()

    with pytest.raises(Grant.DoesNotExist):
        issue(client, grant=grant, user=user)

    assert not AccessToken.objects.exists()


def revoke_while_issuing(revoke, **members):
    """Return whether the revocation waited for the token that was being issued."""
    done = threading.Event()

    def work():
        revoke()
        connection.close()
        done.set()

    revoker = threading.Thread(target=work)
    with transaction.atomic():
        issue(**members)
        revoker.start()
        waited = not done.wait(0.5)
    revoker.join(30)
    return waited and done.is_set()


@pytest.mark.django_db(transaction=True)
def test_revocation_of_a_client_waits_for_the_token_it_is_getting():
    """Otherwise a gateway could learn of the token before it is dead, and never of its end."""
    client = make_client().client

    assert revoke_while_issuing(lambda: revoke_client_tokens(client=client), client=client)

    assert AccessToken.objects.get().revoked_at is not None
    assert RevocationEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_revocation_of_a_grant_waits_for_the_token_that_is_made_from_it():
    client, user = make_client().client, make_user()
    grant = make_grant(client, user)

    assert revoke_while_issuing(
        lambda: revoke_grant(grant=grant), client=client, grant=grant, user=user
    )

    assert AccessToken.objects.get().revoked_at is not None
    assert RevocationEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_tokens_of_one_client_do_not_wait_for_one_another():
    client = make_client().client
    done = threading.Event()

    def issue_another():
        issue(client)
        connection.close()
        done.set()

    another = threading.Thread(target=issue_another)
    with transaction.atomic():
        issue(client)
        another.start()
        assert done.wait(30)
    another.join(30)
