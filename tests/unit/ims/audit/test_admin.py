import json

import pytest
from django.urls import reverse

from ims.audit.events import Event, Outcome
from ims.models import AuditEvent, AuditSeal
from ims.services.create_administrator import create_administrator
from ims.services.record_audit_event import record_audit_event
from tests.factories.identity import make_user

pytestmark = pytest.mark.django_db

EVENTS = "/admin/ims/auditevent/"


@pytest.fixture
def browser(client):
    client.force_login(
        create_administrator(username="admin", password="pw", email="admin@example.com")
    )
    return client


def listed(browser, **query):
    page = browser.get(EVENTS, query)
    assert page.status_code == 200
    return [event.client_id for event in page.context["cl"].result_list]


def test_newest_event_comes_first(browser):
    record_audit_event(event=Event.LOGIN, client_id="first")
    record_audit_event(event=Event.LOGIN, client_id="second")

    assert [name for name in listed(browser) if name] == ["second", "first"]


def test_events_are_filtered_by_kind_outcome_and_day(browser):
    record_audit_event(event=Event.KEY_CREATED, client_id="a")
    record_audit_event(event=Event.TOKEN_ISSUED, client_id="b", outcome=Outcome.FAILURE)

    assert listed(browser, event="key.created") == ["a"]
    assert "a" not in listed(browser, outcome="failure")
    assert listed(browser, occurred_at_from="2000-01-01", occurred_at_to="2000-01-02") == []
    assert "a" in listed(browser, occurred_at_from="2000-01-01")


def test_events_are_found_by_client_person_and_address(browser):
    person = make_user(email="Grace@example.com", username="grace")
    record_audit_event(event=Event.TOKEN_ISSUED, client_id="client-x")
    record_audit_event(event=Event.TOKEN_ISSUED, client_id="of-grace", subject=str(person.subject))
    AuditEvent.objects.create(
        event="token.issued", outcome="success", client_id="from-there", address="192.0.2.55"
    )

    assert listed(browser, q="client-x") == ["client-x"]
    assert listed(browser, q=str(person.subject)) == ["of-grace"]
    assert listed(browser, q="grace@EXAMPLE.com") == ["of-grace"]
    assert listed(browser, q="192.0.2.55") == ["from-there"]
    assert listed(browser, q="nobody") == []


def test_event_is_shown_whole_and_cannot_be_changed(browser):
    record_audit_event(event=Event.KEY_CREATED, detail={"kid": "<k>"})
    event = AuditEvent.objects.latest("id")

    page = browser.get(f"{EVENTS}{event.pk}/change/")

    assert page.status_code == 200
    assert "&lt;k&gt;" in page.content.decode()
    assert browser.post(f"{EVENTS}{event.pk}/change/", {"reason": "x"}).status_code == 403
    assert browser.post(f"{EVENTS}{event.pk}/delete/", {"post": "yes"}).status_code == 403
    assert browser.get(f"{EVENTS}add/").status_code == 403


def test_download_is_what_was_chosen_and_is_recorded(browser):
    record_audit_event(event=Event.KEY_CREATED, client_id="a")
    record_audit_event(event=Event.TOKEN_ISSUED, client_id="b")
    chosen = AuditEvent.objects.get(client_id="a")

    answer = browser.post(EVENTS, {"action": "export", "_selected_action": [str(chosen.pk)]})

    assert answer["Content-Type"] == "application/x-ndjson"
    assert [json.loads(line)["client_id"] for line in answer.content.splitlines()] == ["a"]
    recorded = AuditEvent.objects.get(event=Event.AUDIT_EXPORTED)
    assert (recorded.actor, recorded.detail) == ("admin", {"events": 1})


def test_seals_are_shown(browser):
    AuditSeal.objects.create(
        number=1,
        sealed_at="2026-11-22T00:00Z",
        above_id=0,
        last_transaction_id=1,
        last_id=1,
        event_count=1,
        hash=b"\xab" * 32,
        mac=b"x" * 32,
    )

    assert "ab" * 8 in browser.get(reverse("admin:ims_auditseal_changelist")).content.decode()
    page = browser.get(reverse("admin:ims_auditseal_change", args=[1])).content.decode()
    assert "ab" * 32 in page
