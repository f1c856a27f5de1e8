from urllib.parse import parse_qsl, urlsplit

import pytest

from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db
REGISTERED = "http://127.0.0.1/cb http://[::1]/cb http://localhost:3000/cb com.example.app:/cb"


@pytest.fixture(autouse=True)
def _installation():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_public_code_client(redirect_uris=REGISTERED)


@pytest.fixture
def browser(client):
    return flow.sign_in(client, flow.make_person())


def allow(browser, app, uri):
    """Return the code that comes to `uri`."""
    answer = flow.decide(browser, flow.authorize(browser, app, redirect_uri=uri))
    assert answer["Location"].startswith(f"{uri}?"), answer["Location"]
    return dict(parse_qsl(urlsplit(answer["Location"]).query))["code"]


@pytest.mark.compliance("RFC 8252", "7.3", "MUST allow any port of a loopback IP literal")
@pytest.mark.parametrize("uri", ["http://127.0.0.1:50123/cb", "http://[::1]:50123/cb"])
def test_application_chooses_its_port_as_it_starts(browser, app, uri):
    code = allow(browser, app, uri)

    assert flow.exchange(browser, app, code, redirect_uri=uri).status_code == 200


@pytest.mark.compliance("RFC 8252", "8.3", "the name localhost gets no such freedom")
@pytest.mark.parametrize(
    "uri",
    ["http://localhost:50123/cb", "http://127.0.0.1:50123/other", "https://127.0.0.1:50123/cb"],
)
def test_other_addresses_are_compared_as_they_are(client, app, uri):
    response = flow.authorize(client, app, redirect_uri=uri)

    assert response.status_code == 400
    assert "Location" not in response


@pytest.mark.compliance("RFC 6749", "4.1.3", "the port of the request is that of the exchange")
def test_code_for_one_port_is_no_good_at_another(browser, app):
    code = allow(browser, app, "http://127.0.0.1:50123/cb")

    refused = flow.exchange(browser, app, code, redirect_uri="http://127.0.0.1:50124/cb")

    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


@pytest.mark.compliance("RFC 8252", "7.1", "a private-use scheme is answered")
def test_private_scheme_is_answered(browser, app):
    assert allow(browser, app, "com.example.app:/cb")


@pytest.mark.compliance("RFC 8252", "8.6", "SHOULD NOT answer another program without consent")
@pytest.mark.parametrize("uri", ["http://127.0.0.1:50123/cb", "com.example.app:/cb"])
def test_person_is_asked_each_time_where_anybody_may_listen(browser, app, uri):
    allow(browser, app, uri)

    again = flow.authorize(browser, app, redirect_uri=uri)
    silent = flow.authorize(browser, app, redirect_uri=uri, prompt="none")

    assert again["Location"].startswith("/oauth/consent/")
    assert "error=consent_required" in silent["Location"]


@pytest.mark.compliance("RFC 8252", "8.6", "a client that proves itself is not asked again")
def test_consent_is_remembered_for_a_client_with_a_secret(browser):
    app = flow.make_code_client().client
    flow.obtain_code(browser, app)

    assert flow.authorize(browser, app)["Location"].startswith(flow.REDIRECT_URI)
