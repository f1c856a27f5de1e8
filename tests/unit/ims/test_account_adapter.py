import re

import jwt
import pytest
from django.core import mail

from ims.models import Grant, User
from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db
EMAIL = "New.Person@Example.com"


def sign_up(browser, email=EMAIL, **more):
    return browser.post(
        "/accounts/signup/",
        {"email": email, "password1": flow.PASSWORD, "password2": flow.PASSWORD, **more},
    )


def follow_mail(browser, number=-1):
    link = re.search(r"https?://\S+?(/accounts/confirm-email/\S+)", mail.outbox[number].body)[1]
    return browser.post(link)


def test_person_signs_up_verifies_and_reaches_the_client(client):
    ensure_signing_key()
    flow.make_orders()
    app = flow.make_code_client(is_first_party=True)
    login = flow.authorize(client, app.client)["Location"]
    target = login.partition("next=")[2]

    assert sign_up(client, next=target).status_code == 302
    assert not Grant.objects.exists()
    confirmed = follow_mail(client)
    assert confirmed["Location"].endswith(target)
    page = flow.text_of(client.get(confirmed["Location"]))

    code = re.search(r"code=(tgac_\w+)", page)[1]
    tokens = flow.exchange(client, app, code).json()
    claims = jwt.decode(tokens["id_token"], options={"verify_signature": False})
    assert claims["amr"] == ["pwd"]


def test_unverified_person_is_not_signed_in(client):
    sign_up(client)

    assert "_auth_user_id" not in client.session
    client.post("/accounts/login/", {"login": EMAIL, "password": flow.PASSWORD})
    assert "_auth_user_id" not in client.session


def test_username_comes_from_the_address_but_cannot_be_chosen(client):
    sign_up(client, email="admin@evil.example")

    username = User.objects.get().username
    assert re.fullmatch(r"admin-[a-z0-9]{8}", username)


def test_address_in_use_is_not_given_away(client):
    flow.make_person("taken@example.com")

    known, unknown = sign_up(client, "taken@example.com"), sign_up(client, "free@example.com")

    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert User.objects.filter(email="taken@example.com").count() == 1
    assert "already" in mail.outbox[0].body


def test_return_address_on_another_site_is_ignored(client, settings):
    person = flow.make_person()

    response = client.post(
        "/accounts/login/",
        {"login": person.email, "password": flow.PASSWORD, "next": "https://evil.example/"},
    )

    assert response["Location"] == settings.LOGIN_REDIRECT_URL
