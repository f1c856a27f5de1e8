"""Documents that change or go, and whose documents are taken at all."""

import json
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client as Browser
from django.utils import timezone

from ims.models import Client, ClientDocument, RegistrationPolicy
from ims.services.ensure_registration_policy import ensure_registration_policy
from ims.services.load_document_client import load_document_client
from ims.services.refresh_client_documents import refresh_client_documents
from tests.compliance.cimd.publisher import publishing
from tests.compliance.cimd.steps import CIMD, UNREADABLE, ask, outlive_the_cache, refusal_of
from tests.factories.identity import make_access_token

pytestmark = pytest.mark.django_db


# --- changes --------------------------------------------------------------------------------------


@pytest.mark.compliance(CIMD, "4.4", "a document is kept as long as its headers allow")
def test_fresh_document_is_not_asked_for_again(browser, publisher):
    for _ in range(3):
        ask(browser, publisher.url)

    assert publisher.reads == 1


def test_headers_say_how_long_a_document_is_fresh(publisher):
    publisher.headers |= {"cache_control": "max-age=1200"}

    load_document_client(client_id=publisher.url)

    left = ClientDocument.objects.get().fresh_until - timezone.now()
    assert timedelta(seconds=1100) < left <= timedelta(seconds=1200)


@pytest.mark.compliance(CIMD, "4.4", "a change of the document takes effect")
def test_changed_redirect_uris_take_effect(browser, publisher):
    ask(browser, publisher.url)
    publisher.publish(redirect_uris=["https://new.example/callback"])
    outlive_the_cache()

    former = ask(browser, publisher.url)
    present = ask(browser, publisher.url, redirect_uri="https://new.example/callback")

    assert "redirect_uri" in refusal_of(former)
    assert present["Location"].startswith("/oauth/consent/")
    assert Client.objects.get().redirect_uris == "https://new.example/callback"


@pytest.mark.parametrize("end", ["gone", "invalid"])
def test_document_that_is_withdrawn_lets_nobody_in(browser, publisher, end):
    ask(browser, publisher.url)
    if end == "gone":
        publisher.status = "404 Not Found"
    else:
        publisher.publish(client_secret="x")
    outlive_the_cache()

    refused = [ask(browser, publisher.url).status_code for _ in range(2)]

    assert refused == [400, 400]
    assert ClientDocument.objects.get().withdrawn_at is not None
    assert ClientDocument.objects.get().problem


def test_withdrawn_client_comes_back_with_its_document(browser, publisher):
    ask(browser, publisher.url)
    publisher.status = "410 Gone"
    outlive_the_cache()
    ask(browser, publisher.url)
    publisher.status = "200 OK"
    outlive_the_cache()

    response = ask(browser, publisher.url)

    assert response["Location"].startswith("/oauth/consent/")
    assert ClientDocument.objects.get().withdrawn_at is None


def test_host_that_does_not_answer_for_a_while_keeps_its_client(browser, publisher):
    ask(browser, publisher.url)
    publisher.status = "503 Busy"
    outlive_the_cache()

    response = ask(browser, publisher.url)
    ClientDocument.objects.update(read_at=timezone.now() - timedelta(hours=25))
    cache.clear()
    later = ask(browser, publisher.url)

    assert response["Location"].startswith("/oauth/consent/")
    assert UNREADABLE in refusal_of(later)


def test_failed_host_is_left_alone_for_a_while(browser, publisher):
    publisher.status = "500 Broken"

    for _ in range(5):
        ask(browser, publisher.url)

    assert publisher.reads == 1


def test_withdrawal_ends_everything_after_a_day(browser, publisher):
    record = load_document_client(client_id=publisher.url)
    make_access_token(record)
    Client.objects.update(last_used_at=timezone.now())
    ClientDocument.objects.update(fresh_until=timezone.now() - timedelta(hours=7))
    cache.clear()
    publisher.status = "404 Not Found"

    first = refresh_client_documents()
    ClientDocument.objects.update(withdrawn_at=timezone.now() - timedelta(hours=25))
    second = refresh_client_documents()

    assert (first, second) == (0, 1)
    assert not Client.objects.exists()


# --- policy ---------------------------------------------------------------------------------------


def change_policy(**changes):
    policy = ensure_registration_policy(source=RegistrationPolicy.Source.DOCUMENT)
    RegistrationPolicy.objects.filter(pk=policy.pk).update(**changes)


@pytest.mark.compliance(CIMD, "6.1", "the administrator decides which hosts are trusted")
@pytest.mark.parametrize(
    ("bounds", "is_taken"),
    [
        ({"trusted_document_hosts": ["127.0.0.1"]}, True),
        ({"trusted_document_hosts": ["*.example"]}, False),
        ({"refused_document_hosts": ["127.0.0.1"]}, False),
        (
            {
                "trusted_document_hosts": ["127.0.0.1"],
                "refused_document_hosts": ["127.0.0.1"],
            },
            False,
        ),
        ({"is_enabled": False}, False),
        ({"most_clients": 0}, False),
        ({"most_per_hour": 0}, False),
        ({"allowed_redirect_hosts": ["other.example"]}, False),
        ({"allowed_auth_methods": ["private_key_jwt"]}, False),
    ],
)
def test_policy_says_whose_documents_are_taken(browser, publisher, bounds, is_taken):
    change_policy(**bounds)

    response = ask(browser, publisher.url)

    assert (response.status_code == 302) is is_taken
    assert Client.objects.exists() is is_taken


def test_host_that_is_no_longer_trusted_is_refused_at_once(browser, publisher):
    ask(browser, publisher.url)
    change_policy(refused_document_hosts=["127.0.0.1"])

    assert "not taken" in refusal_of(ask(browser, publisher.url))


def test_clients_that_are_here_stay_when_the_door_closes(browser, publisher):
    ask(browser, publisher.url)
    change_policy(is_enabled=False, most_clients=0, most_per_hour=0)
    outlive_the_cache()

    assert ask(browser, publisher.url).status_code == 302


def test_many_new_identifiers_from_one_network_are_slowed(browser, publisher):
    change_policy(most_per_hour=2)
    answers = []
    for number in range(3):
        with publishing(f"/client-{number}.json") as another:
            another.publish()
            answers.append(ask(browser, another.url).status_code)

    assert answers == [302, 302, 400]


def test_a_document_does_not_open_the_reserved_scopes(browser, publisher):
    publisher.publish(scope="manage gateway")

    response = ask(browser, publisher.url, scope="manage")

    assert "error=invalid_scope" in response["Location"]


def test_disabled_client_stays_out(browser, publisher):
    ask(browser, publisher.url)
    Client.objects.update(disabled_at=timezone.now())

    assert "disabled" in refusal_of(ask(browser, publisher.url))


def test_first_visits_at_once_make_one_client(publisher):
    load_document_client(client_id=publisher.url)
    cache.clear()
    Client.objects.update(policy=None)

    load_document_client(client_id=publisher.url)

    assert Client.objects.count() == 1


def test_document_cannot_take_over_a_registered_client(browser, publisher):
    Client.objects.create(
        client_id=publisher.url, client_type="public", redirect_uris="https://own.example/cb"
    )

    load_document_client(client_id=publisher.url)

    assert Client.objects.get().redirect_uris == "https://own.example/cb"
    assert publisher.reads == 0


def test_nobody_needs_to_be_signed_in_for_a_refusal(publisher):
    publisher.document = json.dumps({"client_id": "x"}).encode()

    assert ask(Browser(), publisher.url).status_code == 400
