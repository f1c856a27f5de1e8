import re

import pytest
from django.test import Client

from ims.models import RevocationEvent
from tests.factories import authorization as flow
from tests.factories.identity import make_access_token, make_client, make_grant

pytestmark = pytest.mark.django_db
NEW = "another long pass phrase"


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def grant(person):
    return make_grant(make_client().client, person)


def is_signed_in(browser):
    return browser.get("/accounts/email/").status_code == 200


def change(browser):
    form = {"oldpassword": flow.PASSWORD, "password1": NEW, "password2": NEW}
    assert browser.post("/accounts/password/change/", form).status_code == 302


def reset(mailoutbox, person):
    browser = Client()
    browser.post("/accounts/password/reset/", {"email": person.email})
    link = re.search(r"https?://[^/]+(/\S+)", mailoutbox[-1].body)[1]
    address = browser.get(link)["Location"]
    assert browser.post(address, {"password1": NEW, "password2": NEW}).status_code == 302


def test_change_ends_the_other_sessions_and_keeps_this_one(person):
    here, elsewhere = flow.sign_in(Client(), person), flow.sign_in(Client(), person)

    change(here)

    assert is_signed_in(here)
    assert not is_signed_in(elsewhere)


def test_reset_ends_every_session(person, mailoutbox):
    elsewhere = flow.sign_in(Client(), person)

    reset(mailoutbox, person)

    assert not is_signed_in(elsewhere)


def test_change_takes_back_what_applications_hold(person, grant):
    _, record = make_access_token(grant.client, grant=grant, user=person)

    change(flow.sign_in(Client(), person))

    grant.refresh_from_db()
    assert grant.revoked_at is not None
    told = [bytes(event.token_digest) for event in RevocationEvent.objects.all()]
    assert told == [record.digest]


def test_reset_takes_back_what_applications_hold(person, grant, mailoutbox):
    reset(mailoutbox, person)

    grant.refresh_from_db()
    assert grant.revoked_at is not None


def test_another_persons_access_is_left_alone(person):
    other = make_grant(make_client().client, flow.make_person("grace@example.com"))

    change(flow.sign_in(Client(), person))

    other.refresh_from_db()
    assert other.revoked_at is None
