import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from ims.audit.events import Event
from ims.models import AuditEvent
from ims.services.record_audit_event import record_audit_event
from tests.factories.audit import wait_for_running_transactions

pytestmark = pytest.mark.django_db(transaction=True)


def run(*arguments):
    out = io.StringIO()
    call_command("audit", *arguments, stdout=out)
    return out.getvalue()


def seal():
    wait_for_running_transactions()
    return run("seal")


def exported(*arguments):
    return [json.loads(line) for line in run("export", *arguments).splitlines()]


def test_untouched_log_verifies():
    record_audit_event(event=Event.LOGIN)
    seal()

    assert "1 seals over 1 events hold." in run("verify")


def test_broken_seal_fails_the_command():
    record_audit_event(event=Event.LOGIN)
    seal()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ims_auditevent DISABLE TRIGGER ims_audit_no_change")
        cursor.execute("UPDATE ims_auditevent SET reason = 'x'")
        cursor.execute("ALTER TABLE ims_auditevent ENABLE TRIGGER ims_audit_no_change")

    with pytest.raises(CommandError, match="Seal 1 does not fit"):
        run("verify")


def test_log_that_nobody_seals_fails_the_command():
    AuditEvent.objects.create(
        event=Event.LOGIN, outcome="success", occurred_at=timezone.now() - timedelta(hours=1)
    )

    with pytest.raises(CommandError, match="is the worker at work"):
        run("verify")


def test_head_that_was_kept_elsewhere_is_looked_for():
    record_audit_event(event=Event.LOGIN)
    seal()
    head = run("verify").partition("Head: ")[2].split()[0]

    assert "hold" in run("verify", "--head", head)
    with pytest.raises(CommandError, match="is not in it"):
        run("verify", "--head", "7:" + "00" * 32)


def test_export_is_one_event_a_line_and_an_event_itself():
    record_audit_event(event=Event.LOGIN, subject="a")
    record_audit_event(event=Event.LOGOUT, subject="b")

    first, second = exported()
    assert (first["event"], second["event"]) == ("person.login", "person.logout")
    assert first["subject"] == "a"
    assert exported("--event", "audit.exported")[0]["detail"] == {"events": 2}


def test_export_is_cut_to_a_time_and_a_person():
    record_audit_event(event=Event.LOGIN, subject="a")
    AuditEvent.objects.create(
        event=Event.LOGIN, outcome="success", subject="old", occurred_at="2001-02-03T12:00Z"
    )

    old = exported("--since", "2001-02-03", "--until", "2001-02-04T00:00:00")
    assert [event["subject"] for event in old] == ["old"]
    assert exported("--until", "2001-02-03T12:00:00+00:00") == []
    assert [event["event"] for event in exported("--subject", "a")] == ["person.login"]


@pytest.mark.parametrize("text", ["yesterday", "2026-02-30"])
def test_time_that_is_none_is_refused(text):
    with pytest.raises(CommandError, match="since"):
        run("export", "--since", text)
