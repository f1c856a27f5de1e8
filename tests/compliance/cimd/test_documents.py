"""draft-ietf-oauth-client-id-metadata-document-00, by the authorization endpoint and the flow."""

from types import SimpleNamespace

import pytest

from ims.models import AccessToken, Client, RegistrationPolicy
from ims.services.ensure_registration_policy import ensure_registration_policy
from ims.services.load_document_client import load_document_client
from tests.compliance.cimd.publisher import JWK, chatgpt, claude, native_agent, publishing
from tests.compliance.cimd.steps import CIMD, UNREADABLE, ask, refusal_of
from tests.factories import authorization as flow
from tests.factories.keys import assertion_form, make_claims, make_key

pytestmark = pytest.mark.django_db


# --- discovery ------------------------------------------------------------------------------------


@pytest.mark.compliance(CIMD, "5", "support is announced in the metadata")
def test_support_is_announced(client):
    document = client.get("/.well-known/oauth-authorization-server").json()

    assert document["client_id_metadata_document_supported"] is True
    assert "none" in document["token_endpoint_auth_methods_supported"]


def test_an_installation_that_takes_none_says_so(client):
    policy = ensure_registration_policy(source=RegistrationPolicy.Source.DOCUMENT)
    RegistrationPolicy.objects.filter(pk=policy.pk).update(is_enabled=False)

    document = client.get("/.well-known/oauth-authorization-server").json()

    assert document["client_id_metadata_document_supported"] is False


# --- the flow -------------------------------------------------------------------------------------


@pytest.mark.compliance(CIMD, "4", "a client that nobody registered gets tokens by its document")
def test_client_goes_all_the_way_without_registration(browser, publisher):
    client = SimpleNamespace(client_id=publisher.url)

    code = flow.obtain_code(browser, client)
    tokens = flow.exchange(browser, client, code).json()

    assert tokens["token_type"] == "Bearer"
    record = Client.objects.get()
    assert record.registration_source == Client.RegistrationSource.CIMD
    assert AccessToken.objects.get().client == record
    assert record.policy.source == "document"
    assert record.is_first_party is False
    assert publisher.reads == 1


@pytest.mark.compliance(CIMD, "4.3", "the redirect URI must be one of the document's")
@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/callback/",
        "https://app.example/callback?x=1",
        "https://APP.example/callback",
        "https://evil.example/callback",
    ],
)
def test_redirect_uri_that_is_not_in_the_document_is_refused(browser, publisher, uri):
    response = ask(browser, publisher.url, redirect_uri=uri)

    assert "redirect_uri" in refusal_of(response)


@pytest.mark.compliance(CIMD, "6.3", "people see the host they are sent to, and whose word it is")
def test_consent_page_shows_hosts(browser, publisher):
    page = browser.get(ask(browser, publisher.url)["Location"])

    text = flow.text_of(page)
    assert "https://app.example" in text
    assert "127.0.0.1" in text
    assert "Nobody here has checked it" in text


@pytest.mark.compliance(CIMD, "6.4", "a client on the person's own machine comes with a warning")
def test_consent_page_warns_of_programs_on_this_device(browser, publisher):
    publisher.publish(redirect_uris=["http://127.0.0.1/callback"])

    page = browser.get(
        ask(browser, publisher.url, redirect_uri="http://127.0.0.1:51234/callback")["Location"]
    )

    assert "a program on this device" in flow.text_of(page)


# --- documents that others publish ----------------------------------------------------------------


@pytest.mark.compliance(CIMD, "4.1", "grants that are not possible here are left out")
def test_document_of_claudes_shape_is_taken(browser, publisher):
    publisher.document = claude(publisher.url)

    response = ask(browser, publisher.url, redirect_uri="https://claude.ai/api/mcp/auth_callback")

    record = Client.objects.get()
    assert response["Location"].startswith("/oauth/consent/")
    assert record.grant_types == ["authorization_code", "refresh_token"]
    assert record.name == "Claude"
    assert record.is_public


@pytest.mark.compliance(CIMD, "6.2", "a client may prove itself with published keys")
def test_document_of_chatgpts_shape_is_taken(browser, publisher):
    publisher.document = chatgpt(publisher.url)

    response = ask(
        browser,
        publisher.url,
        redirect_uri="https://chatgpt.com/connector_platform_oauth_redirect",
    )

    record = Client.objects.get()
    assert response["Location"].startswith("/oauth/consent/")
    assert record.token_endpoint_auth_method == "private_key_jwt"
    assert record.metadata["jwks_uri"] == "https://chatgpt.com/oauth/jwks.json"
    assert not record.secrets.exists()


@pytest.mark.compliance(CIMD, "6.2", "the keys at jwks_uri prove the client at the token endpoint")
def test_client_with_published_keys_gets_tokens(browser, publisher):
    key = make_key("RS256", kid="key-1")
    publisher.keys = key.jwks
    publisher.document = chatgpt(publisher.url) | {
        "redirect_uris": [flow.REDIRECT_URI],
        "jwks_uri": publisher.server.url("/jwks.json"),
    }
    client = SimpleNamespace(client_id=publisher.url)
    code = flow.obtain_code(browser, client)

    proven = assertion_form(key.sign(make_claims(publisher.url)))
    stranger = assertion_form(make_key("ES256", kid="key-1").sign(make_claims(publisher.url)))

    assert flow.exchange(browser, client, code, **stranger).status_code == 401
    assert flow.exchange(browser, client, code, **proven).json()["token_type"] == "Bearer"


def test_client_that_has_keys_cannot_go_without_them(browser, publisher):
    publisher.document = chatgpt(publisher.url)
    client = SimpleNamespace(client_id=publisher.url)
    ask(browser, publisher.url, redirect_uri=publisher.document["redirect_uris"][0])

    answer = flow.exchange(browser, client, "any code")

    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


def test_document_of_a_native_agents_shape_is_taken(browser, publisher):
    publisher.document = native_agent(publisher.url)

    response = ask(browser, publisher.url, redirect_uri="http://127.0.0.1:33418/callback")

    assert response["Location"].startswith("/oauth/consent/")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"token_endpoint_auth_method": None}, {"token_endpoint_auth_method": "none"}),
        (
            {
                "token_endpoint_auth_method": "tls_client_auth",
                "token_endpoint_auth_methods_supported": ["tls_client_auth", "none"],
            },
            {"token_endpoint_auth_method": "none"},
        ),
        ({"grant_types": None}, {"grant_types": ["authorization_code"]}),
        (
            {"grant_types": ["authorization_code", "client_credentials"]},
            {"grant_types": ["authorization_code"]},
        ),
        ({"response_types": ["code", "code id_token"]}, {"response_types": ["code"]}),
        ({"scope": "mcp:tools manage"}, {"scopes": []}),
        ({"client_name": "Bank\u202eknaB"}, {"name": "127.0.0.1"}),
        ({"client_name": None}, {"name": "127.0.0.1"}),
        ({"software_statement": "a.b.c"}, {"name": "Agent"}),
        ({"logo_uri": "javascript:alert(1)"}, {"metadata": {}}),
        ({"jwks": {"keys": [{"kty": "RSA", "d": "private"}]}}, {"metadata": {}}),
        (
            {"redirect_uris": ["https://app.example/callback", "cursor://x/cb", 7]},
            {"redirect_uris": "https://app.example/callback"},
        ),
        ({"is_first_party": True}, {"is_first_party": False}),
    ],
)
def test_what_is_not_possible_here_is_left_out(publisher, changes, expected):
    publisher.publish(**changes)

    record = load_document_client(client_id=publisher.url)

    assert {name: getattr(record, name) for name in expected} == expected


# --- documents that are refused -------------------------------------------------------------------


@pytest.mark.compliance(CIMD, "4.1", "client_id must be the URL, character by character")
@pytest.mark.parametrize("other", ["{url}/", "{url}?", "{url}#", "HTTP{tail}", None, ["{url}"]])
def test_document_that_names_another_identifier_is_refused(browser, publisher, other):
    named = other
    if isinstance(other, str):
        named = other.format(url=publisher.url, tail=publisher.url.removeprefix("http"))
    elif isinstance(other, list):
        named = [publisher.url]
    publisher.publish(client_id=named)

    assert "names another client_id" in refusal_of(ask(browser, publisher.url))
    assert not Client.objects.exists()


@pytest.mark.compliance(CIMD, "4.1", "a document must not hold or ask for shared secrets")
@pytest.mark.parametrize(
    "changes",
    [
        {"client_secret": "x"},
        {"client_secret_expires_at": 0},
        {"token_endpoint_auth_method": "client_secret_basic"},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "client_secret_jwt"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": {"keys": [JWK | {"d": "private"}]},
        },
        {"redirect_uris": None},
        {"redirect_uris": []},
        {"redirect_uris": "https://app.example/callback"},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"grant_types": ["client_credentials"]},
        {"grant_types": ["urn:ietf:params:oauth:grant-type:jwt-bearer"]},
        {"response_types": ["token"]},
    ],
)
def test_document_that_cannot_be_used_is_refused(browser, publisher, changes):
    publisher.publish(**changes)

    assert "client_id" in refusal_of(ask(browser, publisher.url))
    assert not Client.objects.exists()


@pytest.mark.compliance(CIMD, "4", "the document must be a JSON object, served as JSON")
@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"[]", "application/json"),
        (b"{", "application/json"),
        (b"", "application/json"),
        (b'{"client_id": 1, "client_id": 2}', "application/json"),
        (b'{"client_name": "\\u0000"}', "application/json"),
        (b"\xff", "application/json"),
        (None, "text/html"),
        (None, "text/plain"),
    ],
)
def test_page_that_is_no_document_is_refused(browser, publisher, body, media_type):
    publisher.headers = {"content_type": media_type}
    if body is not None:
        publisher.document = body

    assert "document" in refusal_of(ask(browser, publisher.url))
    assert not Client.objects.exists()


def test_more_specific_media_types_of_json_are_taken(publisher):
    publisher.headers = {"content_type": "application/cimd+json; charset=utf-8"}

    assert load_document_client(client_id=publisher.url)


@pytest.mark.compliance(CIMD, "6.5", "what is found behind a URL is not told to whoever names it")
@pytest.mark.parametrize("trouble", ["404", "500", "redirect", "too large", "nobody", "private"])
def test_every_failure_to_read_looks_the_same(browser, publisher, settings, trouble):
    url = publisher.url
    if trouble in {"404", "500"}:
        publisher.status = f"{trouble} X"
    elif trouble == "redirect":
        publisher.status = "302 Found"
        publisher.headers |= {"location": "http://127.0.0.1:1/"}
    elif trouble == "too large":
        publisher.publish(padding="x" * 11_000)
    elif trouble == "nobody":
        with publishing() as gone:
            url = gone.url
    else:
        settings.OUTBOUND_ALLOW_PRIVATE = False
        url = "https://nowhere.invalid/client.json"

    page = refusal_of(ask(browser, url))

    assert UNREADABLE in page
    assert "127.0.0.1" not in page.replace(url, "")


@pytest.mark.compliance(CIMD, "3", "an identifier of another shape is never fetched")
@pytest.mark.parametrize(
    "url",
    [
        "https://app.example",
        "https://app.example/",
        "https://app.example/c#fragment",
        "https://user@app.example/c",
        "https://user:pw@app.example/c",
        "https://app.example/a/../c",
        "https://app.example/a/%2e%2e/c",
        "https://app.example/./c",
        "http://app.example/c",
        "https://localhost/c",
        "https://intranet/c",
        "https://127.0.0.1/c",
        "https://2130706433/c",
        "https://[::1]/c",
        "https://169.254.169.254/latest/meta-data",
        "https://app.example:99999/c",
        "https://app.example/c d",
        "https://app.example\\@evil.example/c",
        "https://app.example/" + "x" * 255,
    ],
)
def test_identifier_that_is_obviously_wrong_is_not_fetched(
    browser, publisher, settings, monkeypatch, url
):
    settings.OUTBOUND_ALLOW_PRIVATE = False
    monkeypatch.setattr(
        "ims.services.refresh_client_document.get_document",
        lambda *_, **__: pytest.fail("it was fetched"),
    )

    assert "client_id" in refusal_of(ask(browser, url))
