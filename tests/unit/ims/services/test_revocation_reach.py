"""Every way in which access ends reaches every token that depends on it, and the feed."""

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from django.urls import reverse

from ims.models import AuthorizationCode, Consent, Grant, RefreshToken, RevocationEvent
from ims.services.deactivate_person import deactivate_person
from ims.services.delete_client import delete_client
from ims.services.disable_client import disable_client
from ims.services.end_person_access import end_person_access
from ims.services.revoke_grant import revoke_grant
from ims.services.withdraw_consent import withdraw_consent
from tests.compliance.rfc7662_introspection.test_introspection import introspect
from tests.factories import authorization as flow
from tests.factories.identity import (
    basic,
    make_access_token,
    make_client,
    make_grant,
    make_refresh_token,
    make_resource,
)
from wire import bearer

pytestmark = pytest.mark.django_db


class Held:
    """What one application holds for one person, and what another got in exchange for it."""

    def __init__(self):
        self.person = flow.make_person()
        self.known = make_client(grant_types=["authorization_code", "refresh_token"])
        self.app, self.other = self.known.client, make_client().client
        self.grant = make_grant(self.app, self.person, scopes=["orders:read"])
        hanging = {"user": self.person, "grant": self.grant}
        self.access, _ = make_access_token(self.app, **hanging)
        self.exchanged, _ = make_access_token(
            self.other, **hanging, actor={"sub": self.other.client_id}
        )
        self.refresh, _ = make_refresh_token(self.grant)
        self.consent = Consent.objects.create(
            user=self.person, client=self.app, scopes=["orders:read"]
        )


@pytest.fixture
def held():
    return Held()


@pytest.fixture
def gateway():
    known = make_client(client_id="gateway")
    make_resource(readers=[known.client])
    return known


def change_password_in_admin(held):
    administrator = flow.make_person("root@example.com")
    administrator.is_staff = administrator.is_superuser = True
    administrator.save()
    browser = Client()
    browser.force_login(administrator)
    url = reverse("admin:auth_user_password_change", args=[held.person.pk])
    new = "another long pass phrase"
    form = {"usable_password": "true", "password1": new, "password2": new, "set-password": "1"}
    assert browser.post(url, form).status_code == 302


ENDS = {
    "grant": lambda held: revoke_grant(grant=held.grant),
    "client disabled": lambda held: disable_client(client=held.app),
    "client deleted": lambda held: delete_client(client=held.app),
    "consent": lambda held: withdraw_consent(consent=held.consent),
    "account": lambda held: deactivate_person(user=held.person),
    "access of the person": lambda held: end_person_access(user=held.person),
    "password set in admin": change_password_in_admin,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_every_token_ends_and_gateways_are_told(client, held, gateway, end):
    for token in (held.access, held.exchanged):
        assert introspect(client, gateway, token).json()["active"] is True

    end(held)

    for token in (held.access, held.exchanged):
        assert introspect(client, gateway, token).json() == {"active": False}
    told = {bytes(event.token_digest) for event in RevocationEvent.objects.all()}
    assert told == {bearer.digest(held.access), bearer.digest(held.exchanged)}


@pytest.mark.parametrize(
    "name", ["grant", "consent", "account", "access of the person", "password set in admin"]
)
def test_refresh_token_ends(client, held, name):
    ENDS[name](held)

    response = client.post(
        "/oauth/token",
        f"grant_type=refresh_token&refresh_token={held.refresh}",
        content_type="application/x-www-form-urlencoded",
        headers={"Authorization": basic(held.known.client.client_id, held.known.secret)},
    )

    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


def test_nothing_of_another_person_ends(client, held, gateway):
    other = flow.make_person("grace@example.com")
    grant = make_grant(held.app, other)
    token, _ = make_access_token(held.app, user=other, grant=grant)

    for name in ("grant", "consent", "account", "password set in admin"):
        ENDS[name](held)

    assert introspect(client, gateway, token).json()["active"] is True


def test_session_of_a_deactivated_person_does_not_come_back(held):
    browser = flow.sign_in(Client(), held.person)
    assert browser.get("/accounts/email/").status_code == 200

    deactivate_person(user=held.person)
    held.person.is_active = True
    held.person.save()

    assert browser.get("/accounts/email/").status_code == 302
    assert not UserSession.objects.filter(user=held.person).exists()


def test_password_that_an_administrator_takes_away_opens_nothing(held):
    browser = flow.sign_in(Client(), held.person)
    administrator = flow.make_person("root@example.com")
    administrator.is_staff = administrator.is_superuser = True
    administrator.save()
    desk = Client()
    desk.force_login(administrator)

    desk.post(
        reverse("admin:auth_user_password_change", args=[held.person.pk]),
        {"usable_password": "false", "unset-password": "1"},
    )

    held.person.refresh_from_db()
    held.grant.refresh_from_db()
    assert not held.person.has_usable_password()
    assert held.grant.revoked_at is not None
    assert browser.get("/accounts/email/").status_code == 302


def test_deleted_client_leaves_nothing_that_could_be_spent(held):
    delete_client(client=held.app)

    assert not Grant.objects.filter(pk=held.grant.pk).exists()
    for kind in (AuthorizationCode, RefreshToken):
        assert not kind.objects.filter(grant__isnull=False, grant__client__pk=held.app.pk).exists()


def test_administrators_change_their_own_password_where_everybody_does(admin_client):
    response = admin_client.get("/admin/password_change/")

    assert response["Location"] == reverse("account_change_password")
