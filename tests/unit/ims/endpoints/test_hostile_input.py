"""Whatever a stranger sends: a refusal in the protocol's words, never a server error."""

import base64
import json
import re
from urllib.parse import quote

import pytest

from ims.models import Client
from ims.services.ensure_signing_key import ensure_signing_key
from ims.services.provision_initial_access_token import provision_initial_access_token
from tests.factories import authorization as flow
from tests.factories.identity import bearer_headers, make_client
from wire import bearer

pytestmark = pytest.mark.django_db
# RFC 6749 §5.2: what an error_description is made of.
DESCRIPTION = re.compile(r"[ !#-\[\]-~]+")
ODD_TEXTS = [
    "\0",
    "\ufffd",
    "\U0001f600",
    "\r\nX: y",
    "a" * 20_000,
    "٣",
    "-1",
    "1e3",
    "9" * 30,
    "'\"<>`;--",
    "%00",
]


def unsigned(header):
    part = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return f"{part}.e30.c2ln"


@pytest.mark.parametrize(
    "hint",
    [
        unsigned({"alg": "ES256", "typ": "JWT", "kid": "\0"}),
        unsigned({"alg": "ES256", "typ": "JWT", "kid": "\ud800"}),
        unsigned({"alg": "ES256", "typ": "JWT", "kid": "a" * 9000}),
        unsigned({"alg": "ES256", "typ": "JWT", "kid": ["a"]}),
        unsigned({"alg": "none", "typ": "JWT"}),
        unsigned([]),
        "\u00e9.\u00e9.\u00e9",
        "\0",
        "...",
    ],
)
def test_malformed_hint_is_nobodys(client, hint):
    app = flow.make_code_client()
    flow.make_orders()

    at_authorize = flow.authorize(client, app.client, id_token_hint=hint)
    at_logout = client.get(f"/oauth/logout?id_token_hint={quote(hint)}")

    assert flow.answer_of(at_authorize)["error"] == "invalid_request"
    assert at_logout.status_code == 200


@pytest.mark.parametrize("client_id", ["\0", "a\0b", "\u202e", "a" * 5000, "\uffff"])
def test_odd_client_id_is_unknown_everywhere(client, client_id):
    spelled, uri = quote(client_id), quote("https://a.example/")
    token = bearer.mint(bearer.Prefix.REGISTRATION_ACCESS_TOKEN)

    logout = client.get(f"/oauth/logout?client_id={spelled}&post_logout_redirect_uri={uri}")
    authorize = client.get(f"/oauth/authorize?client_id={spelled}&redirect_uri={uri}")
    manage = client.get(f"/oauth/register/{spelled}", headers=bearer_headers(token))

    assert (logout.status_code, authorize.status_code, manage.status_code) == (400, 400, 401)


@pytest.mark.parametrize("accept", ["", "a", "*/*;q=abc", ";;;", ",", "/", "\u00e9/*", "a/b;=;c="])
def test_odd_accept_header_gets_json(client, accept):
    headers = make_client().headers | {"Accept": accept}

    response = client.post("/oauth/introspect", "token=a", content_type=flow.FORM, headers=headers)

    assert response.json() == {"active": False}


@pytest.mark.parametrize(
    "member",
    [
        '"jwks": {"keys": [{"x": 1e999}]}',
        '"jwks": {"keys": [{"x": -1e999}]}',
        '"jwks": {"keys": [{"x": ' + "9" * 5000 + "}]}",
        '"jwks": {"keys": [' + "[" * 9000 + "]" * 9000 + "]}",
        '"jwks": {"keys": [{"\\u0000": 1}]}',
        '"jwks": {"keys": [{"x": "\\ud800"}]}',
        '"jwks": [1]',
        '"grant_types": ["\\u00e9\\"\\\\"]',
        '"grant_types": [[]]',
        '"grant_types": {"a": 1}',
        '"token_endpoint_auth_method": []',
        '"application_type": []',
        '"application_type": {}',
        '"client_uri": "https://[::1"',
        '"client_uri": "https://a:99999/"',
        '"scope": 1',
        '"contacts": [1]',
    ],
)
def test_odd_metadata_is_refused_in_plain_words(client, member):
    token = provision_initial_access_token(label="x", grant_types=["authorization_code"]).token
    body = '{"redirect_uris": ["https://a.example/"], ' + member + "}"

    response = client.post(
        "/oauth/register", body, content_type="application/json", headers=bearer_headers(token)
    )

    assert response.status_code == 400
    assert DESCRIPTION.fullmatch(response.json()["error_description"])


@pytest.mark.parametrize("value", ODD_TEXTS)
@pytest.mark.parametrize(
    "name", ["state", "nonce", "scope", "resource", "prompt", "max_age", "id_token_hint", "unknown"]
)
def test_odd_authorization_parameter_never_breaks_the_redirect(client, name, value):
    flow.make_orders()
    app = flow.make_code_client().client
    flow.sign_in(client, flow.make_person())

    response = flow.authorize(client, app, **{name: value})

    assert response.status_code == 302
    if response["Location"].startswith("/oauth/consent"):
        response = flow.decide(client, response)
    answer = flow.answer_of(response)
    assert ("code" in answer) != ("error" in answer)
    assert DESCRIPTION.fullmatch(answer.get("error_description", "none"))


@pytest.mark.parametrize("value", ODD_TEXTS)
@pytest.mark.parametrize("grant_type", ["authorization_code", "refresh_token"])
def test_odd_token_parameter_is_refused_in_plain_words(client, grant_type, value):
    ensure_signing_key()
    app = flow.make_code_client()
    correct = {
        "grant_type": grant_type,
        "code": "a",
        "redirect_uri": "https://a.example",
        "code_verifier": "a" * 43,
        "refresh_token": "a",
    }

    for name in (*correct, "scope", "resource", "client_id", "client_secret", "client_assertion"):
        response = flow.post_token(client, app, **correct | {name: value})

        assert response.status_code in {400, 401}, name
        assert DESCRIPTION.fullmatch(response.json()["error_description"])
    assert flow.post_token(client, Client(client_id=value), **correct).status_code in {400, 401}


def test_line_end_in_an_address_begins_no_line_of_the_log(client, caplog):
    caplog.set_level("INFO")

    client.get("/oauth/consent/a%0aroot%20signed%20in")

    assert "/oauth/consent/a%0Aroot" in caplog.text
    assert "\nroot" not in caplog.text
