"""allauth as we have set it up: what a stranger may learn or reuse."""

import re
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client

from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db
NEWCOMER = "grace@example.com"


class CountingHasher(MD5PasswordHasher):
    """Hashing takes nearly all of the time of a sign-in: who counts hashes needs no clock."""

    algorithm = "counting"
    hashes = 0

    def encode(self, password, salt):
        CountingHasher.hashes += 1
        return super().encode(password, salt)


@pytest.fixture
def count_hashes(settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]

    def count(address, form):
        CountingHasher.hashes = 0
        Client().post(address, form)
        return CountingHasher.hashes

    return count


def sign_up(browser, email):
    form = {"email": email, "password1": flow.PASSWORD, "password2": flow.PASSWORD}
    return browser.post("/accounts/signup/", form)


def without_tokens(response):
    body = re.sub(r'(name="csrfmiddlewaretoken" value|nonce)="[^"]*"', "", flow.text_of(response))
    return response.status_code, response.get("Location"), body


@pytest.mark.parametrize(
    ("address", "forms"),
    [
        (
            "/accounts/login/",
            ({"login": "ada@example.com", "password": "x"}, {"login": NEWCOMER, "password": "x"}),
        ),
        ("/accounts/password/reset/", ({"email": "ada@example.com"}, {"email": NEWCOMER})),
    ],
)
def test_stranger_does_not_learn_who_has_an_account(address, forms):
    flow.make_person("ada@example.com")

    known, unknown = (without_tokens(Client().post(address, form)) for form in forms)

    hidden = [
        (status, to, re.sub(r"\S+@example.com", "", body)) for status, to, body in (known, unknown)
    ]
    assert hidden[0] == hidden[1]


def test_sign_up_with_a_taken_address_looks_like_any_other(mailoutbox):
    flow.make_person("ada@example.com")

    known, unknown = (sign_up(Client(), email) for email in ("ada@example.com", NEWCOMER))

    assert without_tokens(known) == without_tokens(unknown)
    assert [mail.to for mail in mailoutbox] == [["ada@example.com"], [NEWCOMER]]


@pytest.mark.parametrize(
    "login", ["ada@example.com", "username", "gone@example.com", "bare@example.com", NEWCOMER, "x"]
)
def test_refused_sign_in_takes_as_long_for_everybody(count_hashes, login):
    ada, gone, bare = (flow.make_person(f"{name}@example.com") for name in ("ada", "gone", "bare"))
    gone.is_active = False
    gone.save()
    bare.set_unusable_password()
    bare.save()
    typed = ada.username if login == "username" else login

    assert count_hashes("/accounts/login/", {"login": typed, "password": "wrong"}) == 1


@pytest.mark.parametrize("email", ["ada@example.com", NEWCOMER])
def test_sign_up_takes_as_long_with_a_taken_address(count_hashes, email):
    flow.make_person("ada@example.com")
    form = {"email": email, "password1": flow.PASSWORD, "password2": flow.PASSWORD}

    assert count_hashes("/accounts/signup/", form) == 1


def test_verification_link_signs_no_stranger_in(client, mailoutbox):
    sign_up(client, NEWCOMER)
    link = urlsplit(re.search(r"http\S+", mailoutbox[0].body)[0]).path
    first, second = Client(), Client()

    first.post(link)
    second.post(link)

    assert EmailAddress.objects.get().verified
    assert not any("_auth_user_id" in stranger.session for stranger in (first, second))
