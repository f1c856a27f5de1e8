from datetime import timedelta
from threading import Event as Flag
from threading import Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone

from ims.audit.events import Event
from ims.models import AuditEvent, AuditSeal
from ims.queries.audit_verification import verify_audit_log
from ims.services import seal_audit_events as sealing
from ims.services.record_audit_event import record_audit_event
from ims.services.seal_audit_events import seal_audit_events
from tests.factories.audit import ANOTHER_CLUSTER, wait_for_running_transactions

# Only what has ended can be sealed, so these tests commit.
pytestmark = pytest.mark.django_db(transaction=True)


def record(count=1, **how):
    for _ in range(count):
        record_audit_event(event=Event.LOGIN, **how)


def seal():
    wait_for_running_transactions()
    return seal_audit_events()


def tamper(statement, *parameters):
    """Change the log as one who owns the table can."""
    table = "ims_auditseal" if "ims_auditseal" in statement else "ims_auditevent"
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER ims_audit_no_change")
        try:
            cursor.execute(statement, parameters)
        finally:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER ims_audit_no_change")


def test_sealed_log_holds():
    record(3)
    seal()
    record(2)
    seal()

    found = verify_audit_log()

    assert (found.broken, found.seals, found.events, found.unsealed) == ("", 2, 5, 0)


def test_nothing_new_needs_no_seal():
    assert seal() is None

    record()
    assert seal().event_count == 1
    assert seal() is None


def test_long_backlog_takes_several_seals(monkeypatch):
    monkeypatch.setattr(sealing, "MOST_EVENTS", 2)
    with transaction.atomic():  # a seal may end within a transaction
        record(5)

    counts = [seal().event_count for _ in range(3)]

    assert counts == [2, 2, 1]
    assert verify_audit_log().broken == ""


@pytest.mark.parametrize(
    "change",
    [
        "client_id = 'another'",
        "subject = 'another'",
        "occurred_at = occurred_at + interval '1 microsecond'",
        "outcome = 'failure'",
        "address = '192.0.2.99'",
        "actor = 'nobody'",
        "detail = '{\"scopes\": []}'",
        "request_id = 'x'",
        "reason = 'x'",
        "user_agent = 'x'",
        "event = 'key.created'",
    ],
)
def test_changed_event_is_found(change):
    record(3)
    seal()

    tamper(
        f"UPDATE ims_auditevent SET {change}"  # noqa: S608 - one of the changes above
        " WHERE id = (SELECT min(id) FROM ims_auditevent)"
    )

    assert "Seal 1 does not fit" in verify_audit_log().broken


def test_deleted_event_is_found():
    record(3)
    seal()

    tamper("DELETE FROM ims_auditevent WHERE id = (SELECT max(id) FROM ims_auditevent)")

    assert verify_audit_log().broken == "Seal 1 was made over 3 events, and 2 are there."


def test_event_slipped_in_is_found():
    record(3)
    seal()
    old = AuditEvent.objects.order_by("id").first()

    AuditEvent.objects.create(
        transaction_id=old.transaction_id, event=Event.LOGOUT, outcome="success"
    )

    assert verify_audit_log().broken == "Seal 1 was made over 3 events, and 4 are there."


def test_first_broken_seal_is_named():
    for _ in range(3):
        record()
        seal()
    second = AuditSeal.objects.get(number=2)

    tamper("UPDATE ims_auditevent SET reason = 'x' WHERE id = %s", second.last_id)

    found = verify_audit_log()
    assert found.broken.startswith("Seal 2 ")
    assert found.head.startswith("1:")


def test_missing_seal_is_found():
    for _ in range(3):
        record()
        seal()

    tamper("DELETE FROM ims_auditseal WHERE number = 2")

    assert verify_audit_log().broken == "Seal 2 is missing."


def test_chain_made_anew_without_the_key_is_found(settings):
    record(2)
    seal()
    tamper("UPDATE ims_auditevent SET client_id = 'another'")
    tamper("DELETE FROM ims_auditseal WHERE true")
    ours, settings.SECRET_KEY = settings.SECRET_KEY, "what an intruder makes up for a secret key"
    seal()
    settings.SECRET_KEY = ours

    assert "was not made with this SECRET_KEY" in verify_audit_log().broken


def test_new_secret_key_keeps_the_old_seals(settings):
    record()
    seal()
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the next secret key of this installation, long enough"
    record()
    seal()

    assert verify_audit_log().broken == ""


def test_end_cut_off_is_found_by_whoever_kept_the_head():
    record()
    seal()
    first = verify_audit_log().head
    record()
    seal()
    second = verify_audit_log().head

    tamper("DELETE FROM ims_auditseal WHERE number = 2")
    tamper("DELETE FROM ims_auditevent WHERE id = (SELECT max(id) FROM ims_auditevent)")

    assert verify_audit_log().broken == ""
    assert verify_audit_log(expected_head=first).broken == ""
    assert second in verify_audit_log(expected_head=second).broken


def test_event_of_a_transaction_that_ends_late_is_sealed_later():
    """Its id is smaller than one that is there already, and nothing is lost or slipped in."""
    has_recorded, may_end = Flag(), Flag()

    def be_slow():
        try:
            with transaction.atomic():
                record(client_id="slow")
                has_recorded.set()
                assert may_end.wait(30)
        finally:
            connection.close()

    slow = Thread(target=be_slow)
    slow.start()
    assert has_recorded.wait(30)
    record(client_id="quick")

    # The quick one came after the slow one began, and whoever is running might still add to it.
    assert seal_audit_events() is None
    may_end.set()
    slow.join(30)

    assert seal().event_count == 2
    assert verify_audit_log().broken == ""


def test_two_sealers_at_once_make_one_chain():
    record(2)
    has_sealed, may_end = Flag(), Flag()

    def seal_slowly():
        try:
            with transaction.atomic():
                seal()
                has_sealed.set()
                assert may_end.wait(30)
        finally:
            connection.close()

    first = Thread(target=seal_slowly)
    first.start()
    assert has_sealed.wait(30)

    assert seal_audit_events() is None
    may_end.set()
    first.join(30)
    assert verify_audit_log().seals == 1


def test_event_that_nobody_seals_is_overdue():
    record()
    assert (verify_audit_log().unsealed, verify_audit_log().overdue) == (1, 0)

    AuditEvent.objects.create(
        event=Event.LOGIN, outcome="success", occurred_at=timezone.now() - timedelta(hours=1)
    )

    assert (verify_audit_log().unsealed, verify_audit_log().overdue) == (2, 1)


def test_chain_goes_on_after_the_log_moved_to_another_cluster():
    """A dump keeps the numbers of the old cluster's transactions; the new one begins at 1 again."""
    far = ANOTHER_CLUSTER

    def restored(number):
        AuditEvent.objects.create(transaction_id=far + number, event=Event.LOGIN, outcome="success")

    restored(1)
    restored(2)
    _seal_as_the_old_cluster_would(far + 2)
    restored(3)  # the dump was made before this was sealed
    record(2)

    counts = []
    while (sealed := seal()) is not None:
        counts.append(sealed.event_count)
    record()
    counts.append(seal().event_count)

    assert counts == [1, 2, 1]
    found = verify_audit_log()
    assert (found.broken, found.events, found.unsealed) == ("", 6, 0)


def _seal_as_the_old_cluster_would(transaction_id):
    events = sealing._list_ended(sealing.Position(), None)
    assert events[-1]["transaction_id"] == transaction_id
    with transaction.atomic():
        sealing._seal(None, sealing.Position(), events)
