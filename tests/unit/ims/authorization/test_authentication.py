import time
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.test import RequestFactory

from ims.authorization.authentication import find_authentication
from tests.factories.identity import make_user

pytestmark = pytest.mark.django_db


def make_request(user, *records):
    request = RequestFactory().get("/")
    request.user = user
    request.session = SessionStore()
    request.session["account_authentication_methods"] = list(records)
    request.session["account_authentication_methods_user"] = str(user.pk)
    return request


def test_password_alone_is_one_factor():
    event = find_authentication(make_request(make_user(), {"method": "password", "at": 1000.0}))

    assert (event.amr, event.acr, event.at) == (("pwd",), "1", datetime.fromtimestamp(1000, UTC))


def test_password_and_code_are_two_factors_since_the_later():
    event = find_authentication(
        make_request(
            make_user(),
            {"method": "password", "at": 1000.0},
            {"method": "mfa", "at": 1010.0, "type": "totp"},
        )
    )

    assert (event.amr, event.acr, event.at.timestamp()) == (("mfa", "otp", "pwd"), "2", 1010)


def test_unknown_method_claims_nothing():
    event = find_authentication(make_request(make_user(), {"method": "magic", "at": 1000.0}))

    assert (event.amr, event.acr) == ((), "1")


def test_records_of_another_person_count_for_nothing():
    request = make_request(make_user(), {"method": "mfa", "at": time.time()})
    request.user = make_user(last_login=datetime(2026, 1, 1, tzinfo=UTC))

    event = find_authentication(request)

    assert (event.amr, event.at.year) == ((), 2026)
    assert event.at == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("user", [AnonymousUser(), None])
def test_nobody_or_an_inactive_person_is_not_authenticated(user):
    request = make_request(user or make_user(is_active=False))

    assert find_authentication(request) is None
