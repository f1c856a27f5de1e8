from urllib.parse import urlencode

import pytest
from django.urls import reverse

from ims.throttle import Purpose
from tests.factories import authorization as flow
from tests.factories.identity import basic, make_client
from wire import bearer

pytestmark = pytest.mark.django_db

ENDPOINTS = {
    "oauth-token": {"grant_type": "client_credentials"},
    "oauth-introspect": {"token": "x"},
    "oauth-revoke": {"token": "x"},
    "oauth-par": {"response_type": "code"},
    "oauth-device-authorization": {"scope": "openid"},
}
every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS)


@pytest.fixture
def known():
    return make_client()


def ask(client, endpoint, *, header=None, **form):
    headers = {} if header is None else {"Authorization": header}
    body = urlencode(ENDPOINTS[endpoint] | form)
    return client.post(reverse(endpoint), body, content_type=flow.FORM, headers=headers)


def refusal(response):
    assert response.status_code == 401, response.content
    assert response["WWW-Authenticate"].startswith("Basic ")
    assert response["Cache-Control"] == "no-store"
    document = response.json()
    assert document["error"] == "invalid_client"
    return document


@pytest.mark.compliance("RFC 6749", "5.2", "a wrong secret is invalid_client, 401 and a challenge")
@every_endpoint
def test_wrong_secret_is_refused(client, known, endpoint):
    wrong = bearer.mint(bearer.Prefix.CLIENT_SECRET)

    refusal(ask(client, endpoint, header=basic(known.client.client_id, wrong)))


@pytest.mark.compliance("RFC 6749", "5.2", "no authentication at all is invalid_client")
@every_endpoint
def test_missing_authentication_is_refused(client, endpoint):
    refusal(ask(client, endpoint))


@pytest.mark.compliance("RFC 6749", "5.2", "an unsupported method is invalid_client")
@every_endpoint
def test_other_scheme_is_refused(client, endpoint):
    refusal(ask(client, endpoint, header="Digest username=x"))


@pytest.mark.compliance("RFC 6749", "2.3.1", "credentials MUST NOT be in the request URI")
@every_endpoint
def test_secret_in_the_address_is_refused(client, known, endpoint):
    query = urlencode({"client_id": known.client.client_id, "client_secret": known.secret})

    response = client.post(f"{reverse(endpoint)}?{query}", ENDPOINTS[endpoint])

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"


@pytest.mark.compliance("RFC 6749", "2.3", "MUST NOT use two authentication methods")
@every_endpoint
def test_two_methods_at_once_are_refused(client, known, endpoint):
    header = basic(known.client.client_id, known.secret)

    response = ask(client, endpoint, header=header, client_secret=known.secret)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"


@every_endpoint
def test_unknown_client_and_wrong_secret_look_alike(client, known, endpoint):
    wrong = bearer.mint(bearer.Prefix.CLIENT_SECRET)

    unknown = ask(client, endpoint, header=basic("nobody", wrong))
    refused = ask(client, endpoint, header=basic(known.client.client_id, wrong))

    assert refusal(unknown) == refusal(refused)


@pytest.mark.compliance("RFC 6749", "10.10", "guessing credentials is slowed down")
def test_guesses_are_slowed_down_and_the_owner_is_not(client, known):
    wrong = bearer.mint(bearer.Prefix.CLIENT_SECRET)
    header = basic(known.client.client_id, wrong)

    for _ in range(Purpose.CLIENT_AUTHENTICATION.value.of_subject + 1):
        response = ask(client, "oauth-introspect", header=header)

    assert response.status_code == 429
    assert int(response["Retry-After"]) > 0
    own = ask(client, "oauth-revoke", header=basic(known.client.client_id, known.secret))
    assert own.status_code == 200
