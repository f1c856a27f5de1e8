import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from ims.models import AuditEvent, Client, Consent, Grant, ProtectedResource, SigningKey, User
from ims.services.create_administrator import create_administrator
from ims.services.create_signing_key import create_signing_key
from ims.services.replace_compromised_keys import replace_compromised_keys
from tests.factories.identity import (
    make_access_token,
    make_client,
    make_grant,
    make_refresh_token,
    make_resource,
    make_user,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def administrator():
    return create_administrator(username="admin", password="pw", email="admin@example.com")


@pytest.fixture
def browser(client, administrator):
    client.force_login(administrator)
    return client


@pytest.fixture
def grant():
    return make_grant(make_client().client, make_user(), scopes=["openid"])


def run(browser, record, action):
    return browser.post(
        reverse(f"admin:ims_{record._meta.model_name}_changelist"),
        {"action": action, "_selected_action": [str(record.pk)]},
    )


@pytest.mark.parametrize("model", [User, Client, Grant, Consent, SigningKey, ProtectedResource])
def test_list_and_record_are_shown(browser, grant, model):
    create_signing_key()
    make_resource()
    Consent.objects.create(user=grant.user, client=grant.client, scopes=["openid"])
    record = model.objects.first()
    name = model._meta.model_name

    assert browser.get(reverse(f"admin:ims_{name}_changelist")).status_code == 200
    assert browser.get(reverse(f"admin:ims_{name}_change", args=[record.pk])).status_code == 200


def test_key_page_does_not_show_the_private_part(browser):
    key = create_signing_key()

    page = browser.get(reverse("admin:ims_signingkey_change", args=[key.kid])).content.decode()

    assert key.kid in page
    assert "private_key" not in page


def test_grant_is_revoked_with_its_tokens(browser, grant):
    _, record = make_access_token(grant.client, grant=grant, user=grant.user)

    run(browser, grant, "revoke")

    grant.refresh_from_db()
    record.refresh_from_db()
    assert grant.revoked_at is not None
    assert record.revoked_at is not None


def test_consent_is_withdrawn(browser, grant):
    consent = Consent.objects.create(user=grant.user, client=grant.client, scopes=["openid"])

    run(browser, consent, "withdraw")

    grant.refresh_from_db()
    assert grant.revoked_at is not None
    assert not Consent.objects.exists()


def test_person_is_deactivated_with_everything_granted(browser, grant):
    make_refresh_token(grant)

    run(browser, grant.user, "deactivate")

    grant.refresh_from_db()
    assert grant.revoked_at is not None
    assert not User.objects.get(pk=grant.user.pk).is_active


def test_activation_of_a_person_is_recorded_once(browser, grant):
    run(browser, grant.user, "deactivate")

    run(browser, grant.user, "activate")
    run(browser, grant.user, "activate")

    assert User.objects.get(pk=grant.user.pk).is_active
    event = AuditEvent.objects.get(event="person.activated")
    assert event.subject == str(grant.user.subject)
    assert event.actor


def test_administrator_cannot_lock_themselves_out(browser, administrator):
    run(browser, administrator, "deactivate")

    administrator.refresh_from_db()
    assert administrator.is_active


@pytest.mark.parametrize("model", ["client", "grant", "consent", "signingkey"])
def test_rows_are_neither_added_nor_deleted_by_hand(browser, grant, model):
    create_signing_key()

    assert browser.get(f"/admin/ims/{model}/add/").status_code == 403


def test_sign_in_goes_through_the_rate_limited_page(client):
    response = client.get("/admin/", follow=True)

    assert response.redirect_chain[-1][0].startswith("/accounts/login/")


def test_person_without_staff_rights_is_kept_out(client, grant):
    client.force_login(grant.user)

    assert client.get("/admin/", follow=True).status_code == 403


def test_keys_are_listed_with_their_state(browser):
    now = timezone.now()
    states = {
        create_signing_key(activates_at=now - timedelta(days=2)).kid: "succeeded",
        create_signing_key(activates_at=now - timedelta(days=1)).kid: "signs",
        create_signing_key(activates_at=now + timedelta(days=1)).kid: "announced",
    }
    stolen = create_signing_key(algorithm="EdDSA")
    replace_compromised_keys(algorithms=["EdDSA"])
    states[stolen.kid] = "compromised"

    page = browser.get(reverse("admin:ims_signingkey_changelist")).content.decode()

    for kid, state in states.items():
        row = page[page.index(kid) :]
        assert re.search(r"field-state[^>]*>\s*([^<]*?)\s*<", row)[1] == state
