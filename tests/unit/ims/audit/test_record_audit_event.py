import pytest
from django.db import DatabaseError, connection, transaction
from django.test import RequestFactory

from ims.audit.context import AuditContext, bind, note
from ims.audit.events import Event, Outcome
from ims.models import AuditEvent, AuditSeal
from ims.services.record_audit_event import record_audit_event

pytestmark = pytest.mark.django_db


def the_event():
    return AuditEvent.objects.get()


def test_event_tells_who_where_and_how_it_ended():
    request = RequestFactory().post(
        "/oauth/token", REMOTE_ADDR="192.0.2.7", HTTP_USER_AGENT="curl/8.0"
    )

    with bind(AuditContext(request=request)):
        record_audit_event(
            event=Event.TOKEN_REFUSED,
            outcome=Outcome.FAILURE,
            client_id="client-1",
            subject="a-subject",
            reason="invalid_grant",
            detail={"scopes": ("a", "b")},
        )

    event = the_event()
    assert (event.event, event.outcome, event.reason) == (
        "token.refused",
        "failure",
        "invalid_grant",
    )
    assert (event.client_id, event.subject, event.actor) == ("client-1", "a-subject", "")
    assert (event.address, event.user_agent) == ("192.0.2.7", "curl/8.0")
    assert len(event.request_id) == 16
    assert event.detail == {"scopes": ["a", "b"]}


def test_event_costs_one_statement(django_assert_num_queries):
    with django_assert_num_queries(1):
        record_audit_event(event=Event.KEY_CREATED)


def test_what_no_request_asked_for_is_the_systems():
    record_audit_event(event=Event.KEY_CREATED)

    assert (the_event().actor, the_event().address) == ("system", None)


def test_events_of_one_request_share_its_identifier_and_facts():
    with bind(AuditContext(request=RequestFactory().get("/"))):
        note(grant_type="refresh_token")
        record_audit_event(event=Event.REFRESH_REPLAYED)
        record_audit_event(event=Event.GRANT_REVOKED, detail={"tokens": 2})

    first, second = AuditEvent.objects.order_by("id")
    assert first.request_id == second.request_id
    assert first.detail == {"grant_type": "refresh_token"}
    assert second.detail == {"grant_type": "refresh_token", "tokens": 2}


def test_identifier_of_a_request_is_believed_from_our_own_proxies_only(settings):
    def recorded():
        request = RequestFactory().get("/", HTTP_X_REQUEST_ID="abc-123")
        with bind(AuditContext(request=request)):
            record_audit_event(event=Event.LOGIN)
        return AuditEvent.objects.latest("id").request_id

    assert recorded() != "abc-123"

    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert recorded() == "abc-123"


def test_address_behind_our_proxies_is_the_one_they_saw(settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR="203.0.113.66, 198.51.100.9")

    with bind(AuditContext(request=request)):
        record_audit_event(event=Event.LOGIN)

    assert the_event().address == "198.51.100.9"


def test_too_few_forwarded_addresses_are_no_reason_to_fail(settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR="203.0.113.66")

    with bind(AuditContext(request=request)):
        record_audit_event(event=Event.LOGIN)

    assert the_event().address == "127.0.0.1"


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "\\u0000"])
def test_text_that_the_database_has_no_place_for_is_recorded_all_the_same(text):
    record_audit_event(
        event=Event.TOKEN_REFUSED, client_id=text, reason=text, detail={text: [text]}
    )

    assert the_event().event == "token.refused"


def test_endless_identifier_is_cut_short():
    record_audit_event(event=Event.TOKEN_REFUSED, client_id="x" * 10_000)

    assert len(the_event().client_id) == 512


def test_event_of_a_change_that_was_rolled_back_is_not_there():
    with transaction.atomic():
        record_audit_event(event=Event.KEY_CREATED)
        transaction.set_rollback(True)

    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize("table", ["ims_auditevent", "ims_auditseal"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE {} SET hash = '' WHERE false", "DELETE FROM {}", "TRUNCATE {}"],
)
def test_database_refuses_to_change_the_log(table, statement):
    statement = statement.replace("hash", "reason") if table == "ims_auditevent" else statement
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER ims_audit_no_truncate")

        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            cursor.execute(statement.format(table))


def test_orm_cannot_delete_either():
    record_audit_event(event=Event.KEY_CREATED)

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.all().delete()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditSeal.objects.all().delete()
