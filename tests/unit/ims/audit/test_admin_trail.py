import pytest
from allauth.account.models import EmailAddress

from ims.audit.events import Event
from ims.models import AuditEvent, Client
from ims.services.create_administrator import create_administrator
from tests.factories import authorization as flow
from tests.factories.identity import make_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(client):
    client.force_login(
        create_administrator(username="root", password="pw", email="root@example.com")
    )
    return client


def test_change_by_hand_is_recorded_with_who_what_and_which_fields(browser):
    group = {"name": "Operators", "permissions": []}
    assert browser.post("/admin/auth/group/add/", group).status_code == 302

    event = AuditEvent.objects.get(event=Event.ADMIN_CHANGED)
    assert (event.actor, event.outcome) == ("root", "success")
    assert event.detail["kind"] == "auth.group"
    assert event.detail["change"] == "added"


def test_page_of_another_app_is_recorded_without_the_address(browser):
    person = flow.make_person("ada@example.com")
    address = EmailAddress.objects.get(user=person)
    form = {"user": person.pk, "email": address.email, "verified": "", "primary": "on"}

    answer = browser.post(f"/admin/account/emailaddress/{address.pk}/change/", form)

    assert answer.status_code == 302
    event = AuditEvent.objects.get(event=Event.ADMIN_CHANGED)
    assert event.detail["kind"] == "account.emailaddress"
    assert event.detail["key"] == str(address.pk)
    assert "Verified" in event.detail["fields"]
    assert "ada@example.com" not in str(event.detail)


def test_action_that_calls_a_service_names_the_administrator(browser):
    known = make_client()
    form = {"action": "disable", "_selected_action": [str(known.client.pk)]}

    browser.post("/admin/ims/client/", form)

    event = AuditEvent.objects.get(event=Event.CLIENT_DISABLED)
    assert (event.actor, event.client_id) == ("root", known.client.client_id)
    assert event.address == "127.0.0.1"


def test_form_that_was_refused_changed_nothing(browser):
    assert browser.post("/admin/auth/group/add/", {"name": ""}).status_code == 200

    assert not AuditEvent.objects.filter(event=Event.ADMIN_CHANGED).exists()


def test_deleted_row_is_recorded(browser):
    known = make_client()

    browser.post(f"/admin/ims/client/{known.client.pk}/delete/", {"post": "yes"})

    assert not Client.objects.filter(pk=known.client.pk).exists()
    changes = AuditEvent.objects.filter(event=Event.ADMIN_CHANGED)
    assert [change.detail["change"] for change in changes] == ["deleted"]
    assert AuditEvent.objects.get(event=Event.CLIENT_DELETED).actor == "root"


def test_leaving_by_the_door_of_admin_is_recorded(browser):
    browser.post("/admin/logout/")

    assert "_auth_user_id" not in browser.session
    assert AuditEvent.objects.get(event=Event.LOGOUT).subject
