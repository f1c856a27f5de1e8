import pytest
from django.utils import timezone

from ims.models import AuthorizationCode, Client, Grant
from tests.factories import authorization as flow
from tests.factories.identity import INVOICES, make_resource

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _registry():
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_code_client().client


def page(response):
    """Return the text of an error page; nothing was redirected and nothing was granted."""
    assert response.status_code == 400
    assert "Location" not in response
    assert response["Content-Security-Policy"]
    assert not Grant.objects.exists()
    return flow.text_of(response)


def refusal(response, error):
    answer = flow.answer_of(response)
    assert answer["error"] == error, answer
    assert answer["state"] == "st&te=1"
    assert "code" not in answer
    assert not AuthorizationCode.objects.exists()
    return answer["error_description"]


@pytest.mark.compliance("RFC 6749", "4.1.2.1", "an unknown client never causes a redirect")
@pytest.mark.parametrize("client_id", ["nobody", "a\0b", "<script>alert(1)</script>"])
def test_unknown_client_gets_a_page(client, app, client_id):
    text = page(flow.authorize(client, app, client_id=client_id))

    assert "client_id" in text
    assert client_id not in text


def test_missing_client_gets_a_page(client, app):
    assert "client_id" in page(flow.authorize(client, app, client_id=None))


@pytest.mark.compliance("RFC 6749", "4.1.2.1", "a disabled client never causes a redirect")
def test_disabled_client_gets_a_page(client, app):
    Client.objects.update(disabled_at=timezone.now())

    assert "disabled" in page(flow.authorize(client, app))


@pytest.mark.compliance("RFC 6749", "4.1.2.1", "an unregistered redirect URI gets no redirect")
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/callback",
        "https://app.example/callback/",
        "https://app.example/callback?x=1",
        "https://app.example@evil.example/callback",
        "https://APP.example/callback",
        "javascript:alert(1)",
    ],
)
def test_other_redirect_uri_gets_a_page(client, app, uri):
    text = page(flow.authorize(client, app, redirect_uri=uri))

    assert "redirect_uri" in text
    assert flow.REDIRECT_URI not in text  # the registered ones are not read out


@pytest.mark.compliance("RFC 6749", "3.1.2.4", "without a valid redirect URI MUST NOT redirect")
def test_missing_redirect_uri_gets_a_page(client, app):
    assert "redirect_uri" in page(flow.authorize(client, app, redirect_uri=None))


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_repeated_client_or_redirect_uri_gets_a_page(client, app, name):
    value = flow.authorization_parameters(app)[name]

    assert "once" in page(flow.authorize(client, app, **{name: [value, value]}))


@pytest.mark.compliance("RFC 6749", "3.1", "repeated parameters are refused")
@pytest.mark.parametrize("name", ["scope", "nonce", "code_challenge", "prompt", "unheard_of"])
def test_repeated_parameter_is_refused(client, app, name):
    assert "once" in refusal(flow.authorize(client, app, **{name: ["a", "b"]}), "invalid_request")


def test_repeated_state_is_not_returned(client, app):
    answer = flow.answer_of(flow.authorize(client, app, state=["a", "b"]))

    assert answer["error"] == "invalid_request"
    assert "state" not in answer


@pytest.mark.compliance("RFC 6749", "3.1", "unknown parameters are ignored, empty ones left out")
def test_unknown_and_empty_parameters_are_ignored(client, app):
    response = flow.authorize(client, app, unheard_of="x", max_age="")

    assert response["Location"].startswith("/accounts/login/")


@pytest.mark.compliance("RFC 6749", "4.1.2.1", "other response types are refused at the client")
@pytest.mark.parametrize("response_type", ["token", "id_token", "code id_token"])
def test_other_response_type_is_refused(client, app, response_type):
    refusal(flow.authorize(client, app, response_type=response_type), "unsupported_response_type")


@pytest.mark.compliance("RFC 6749", "4.1.2.1", "a missing parameter is invalid_request")
def test_missing_response_type_is_named(client, app):
    response = flow.authorize(client, app, response_type=None)

    assert "response_type" in refusal(response, "invalid_request")


def test_other_response_mode_is_refused(client, app):
    response = flow.authorize(client, app, response_mode="fragment")

    assert "response_mode" in refusal(response, "invalid_request")


@pytest.mark.compliance("RFC 6749", "4.1.2.1", "a client without codes is unauthorized_client")
def test_client_without_the_grant_type_is_refused(client):
    app = flow.make_code_client(grant_types=["client_credentials"]).client

    refusal(flow.authorize(client, app), "unauthorized_client")


@pytest.mark.compliance("RFC 6749", "3.3", "an unknown scope is invalid_scope")
def test_unknown_scope_is_named(client, app):
    response = flow.authorize(client, app, scope="openid nonsense")

    assert "nonsense" in refusal(response, "invalid_scope")


def test_missing_scope_is_refused_where_none_is_registered(client, app):
    assert "scope" in refusal(flow.authorize(client, app, scope=None), "invalid_scope")


def test_reserved_scope_is_refused(client, app):
    make_resource("https://gateway.example/impostor", scopes=["manage"])

    refusal(flow.authorize(client, app, scope="manage"), "invalid_scope")


@pytest.mark.compliance("RFC 8707", "2", "an unknown resource is invalid_target")
def test_unknown_resource_is_refused(client, app):
    refusal(flow.authorize(client, app, resource=INVOICES), "invalid_target")


def test_scope_of_no_resource_asked_for_is_refused(client, app):
    make_resource(INVOICES, scopes=["invoices:read"])
    response = flow.authorize(client, app, scope="orders:read invoices:read", resource=INVOICES)

    assert "orders:read" in refusal(response, "invalid_scope")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ],
)
@pytest.mark.compliance(
    "OpenID Connect Core", "3.1.2.6", "what is not supported is refused, not ignored"
)
def test_request_object_or_registration_is_refused(client, app, name, error):
    refusal(flow.authorize(client, app, **{name: "x"}), error)


@pytest.mark.compliance("RFC 6749", "4.1.2.1", "access_denied when the person said no")
def test_refusal_of_the_person_is_told(client, app):
    browser = flow.sign_in(client, flow.make_person())

    response = flow.decide(browser, flow.authorize(browser, app), "deny")

    refusal(response, "access_denied")


def test_answer_is_not_cached_and_sends_no_referer_abroad(client, app):
    response = flow.authorize(client, app, scope="nonsense")

    assert response["Cache-Control"] == "no-store"
    # Not no-referrer: under it browsers post our forms with Origin: null, and CSRF refuses them.
    assert response["Referrer-Policy"] == "same-origin"


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "the endpoint answers POST as well")
def test_post_is_sent_round_as_a_get_that_has_the_cookie(client, app):
    response = client.post("/oauth/authorize", flow.authorization_parameters(app))

    assert response.status_code == 303
    assert client.get(response["Location"])["Location"].startswith("/accounts/login/")


def test_other_methods_are_refused(client):
    assert client.put("/oauth/authorize").status_code == 405


def test_redirect_uri_keeps_its_own_query(client):
    app = flow.make_code_client(redirect_uris=f"{flow.REDIRECT_URI}?tab=1").client

    response = flow.authorize(
        client, app, redirect_uri=f"{flow.REDIRECT_URI}?tab=1", scope="nonsense"
    )

    assert flow.answer_of(response)["tab"] == "1"


def test_native_application_is_answered_at_its_private_scheme(client):
    app = flow.make_public_code_client(redirect_uris="com.example.app:/cb")

    response = flow.authorize(client, app, redirect_uri="com.example.app:/cb", prompt="none")

    assert response.status_code == 302
    assert response["Location"].startswith("com.example.app:/cb?error=login_required")


def test_reserved_scope_is_never_a_persons_to_give(client):
    make_resource("http://localhost:8000/api", scopes=["manage"])
    trusted = flow.make_code_client(scopes=["manage"], is_first_party=True).client

    refusal(flow.authorize(client, trusted, scope="manage"), "invalid_scope")
