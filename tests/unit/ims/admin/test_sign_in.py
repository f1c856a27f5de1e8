import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.urls import reverse

from ims.audit.events import Event
from ims.models import AuditEvent
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db
SECRET = "JBSWY3DPEHPK3PXP"


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def authenticator(person):
    return Authenticator.objects.create(
        user=person, type=Authenticator.Type.TOTP, data={"secret": SECRET}
    )


def act(admin_client, action, record):
    meta = record._meta
    admin_client.post(
        reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"),
        {"action": action, "_selected_action": [str(record.pk)]},
    )


def test_page_of_a_factor_does_not_show_its_secret(admin_client, authenticator):
    page = admin_client.get(reverse("admin:mfa_authenticator_change", args=[authenticator.pk]))

    assert page.status_code == 200
    assert SECRET not in page.content.decode()
    assert "_save" not in page.content.decode()


@pytest.mark.parametrize("page", ["mfa_authenticator_add", "usersessions_usersession_add"])
def test_nobody_makes_a_factor_or_a_session_by_hand(admin_client, page):
    assert admin_client.get(reverse(f"admin:{page}")).status_code == 403


def test_lost_factor_is_removed_with_its_recovery_codes_and_the_person_told(
    admin_client, person, authenticator
):
    RecoveryCodes.activate(person)

    act(admin_client, "remove", authenticator)

    assert not Authenticator.objects.exists()
    assert [message.to for message in mail.outbox] == [[person.email]]
    assert "An administrator did it" in mail.outbox[0].body
    event = AuditEvent.objects.get(event=Event.MFA_REMOVED)
    assert (event.subject, event.detail["kind"]) == (str(person.subject), "totp")


def test_other_factors_keep_the_recovery_codes(admin_client, person, authenticator):
    RecoveryCodes.activate(person)
    Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data={})

    act(admin_client, "remove", authenticator)

    left = set(Authenticator.objects.values_list("type", flat=True))
    assert left == {Authenticator.Type.WEBAUTHN, Authenticator.Type.RECOVERY_CODES}


def test_removal_of_recovery_codes_alone_is_recorded(admin_client, person, authenticator):
    RecoveryCodes.activate(person)
    codes = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)

    act(admin_client, "remove", codes)

    assert Authenticator.objects.get() == authenticator
    event = AuditEvent.objects.get(event=Event.MFA_REMOVED)
    assert (event.subject, event.detail["kind"]) == (str(person.subject), "recovery_codes")
    assert event.actor


def test_signing_out_ends_the_session_itself(admin_client, person):
    browser = Client()
    flow.sign_in(browser, person)
    assert browser.get("/account/").status_code == 200
    session = UserSession.objects.get(user=person)

    act(admin_client, "end", session)

    assert browser.get("/account/").status_code == 302
    assert AuditEvent.objects.filter(event=Event.SESSION_ENDED).exists()


def test_pages_have_their_lists(admin_client, person, authenticator):
    EmailAddress.objects.get(user=person)
    for name in ("account_emailaddress", "mfa_authenticator", "usersessions_usersession"):
        assert admin_client.get(reverse(f"admin:{name}_changelist")).status_code == 200
