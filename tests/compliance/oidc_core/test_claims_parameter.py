import json

import jwt
import pytest

from ims.models import Grant
from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow
from tests.factories.identity import bearer_headers

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _installation():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_code_client(is_first_party=True)


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def browser(client, person):
    return flow.sign_in(client, person)


def ask(browser, app, document, **changes):
    text = document if isinstance(document, str) else json.dumps(document)
    return flow.authorize(browser, app.client, claims=text, **changes)


def tokens_of(browser, app, response):
    return flow.exchange(browser, app, flow.answer_of(response)["code"]).json()


def id_token_of(tokens):
    return jwt.decode(tokens["id_token"], options={"verify_signature": False})


WANTED = {"id_token": {"email": None, "email_verified": {"essential": True}, "name": None}}


@pytest.mark.compliance("OpenID Connect Core", "5.5", "claims asked for stand in the ID token")
def test_claims_asked_for_are_in_the_id_token(browser, app, person):
    tokens = tokens_of(browser, app, ask(browser, app, WANTED, scope="openid profile email"))

    claims = id_token_of(tokens)
    assert claims["email"] == person.email
    assert claims["email_verified"] is True
    assert claims["name"] == "Ada Lovelace"
    assert "family_name" not in claims


def test_refreshed_id_token_has_them_too(browser, app, person):
    tokens = tokens_of(browser, app, ask(browser, app, WANTED, scope="openid profile email"))

    fresh = flow.refresh(browser, app, tokens["refresh_token"]).json()

    assert id_token_of(fresh)["email"] == person.email


def test_statements_stay_six_with_claims(browser, app, django_assert_max_num_queries):
    tokens_of(browser, app, ask(browser, app, WANTED, scope="openid profile email"))
    code = flow.answer_of(ask(browser, app, WANTED, scope="openid profile email"))["code"]

    with django_assert_max_num_queries(6):
        assert flow.exchange(browser, app, code).status_code == 200


@pytest.mark.compliance("OpenID Connect Core", "5.5", "a name opens nothing that no scope opens")
def test_claims_beyond_the_scopes_are_not_told(browser, app):
    document = {"id_token": {"email": {"essential": True}}, "userinfo": {"email": None}}
    tokens = tokens_of(browser, app, ask(browser, app, document, scope="openid profile"))

    userinfo = browser.get("/oauth/userinfo", headers=bearer_headers(tokens["access_token"]))

    assert "email" not in id_token_of(tokens)
    assert "email" not in userinfo.json()
    assert "name" in userinfo.json()


@pytest.mark.compliance("OpenID Connect Core", "5.5", "claims asked for replace none of the token")
def test_claims_never_replace_the_tokens_own(browser, app, person):
    document = {"id_token": {"iss": {"value": "https://evil.example"}, "aud": None, "exp": None}}

    claims = id_token_of(tokens_of(browser, app, ask(browser, app, document)))

    assert claims["iss"] != "https://evil.example"
    assert claims["sub"] == str(person.subject)


@pytest.mark.compliance("OpenID Connect Core", "5.5.1", "a value of sub excludes everybody else")
@pytest.mark.parametrize("where", ["id_token", "userinfo"])
def test_another_persons_sub_is_login_required(browser, app, person, where):
    other = {where: {"sub": {"value": "7b0b3a64-0000-0000-0000-000000000000"}}}
    own = {where: {"sub": {"value": str(person.subject)}}}

    assert flow.answer_of(ask(browser, app, other))["error"] == "login_required"
    assert "code" in flow.answer_of(ask(browser, app, own))


def test_two_different_subs_are_incoherent(browser, app):
    document = {"id_token": {"sub": {"value": "a"}}, "userinfo": {"sub": {"value": "b"}}}

    assert flow.answer_of(ask(browser, app, document))["error"] == "invalid_request"


@pytest.mark.compliance("OpenID Connect Core", "5.5", "members that are not understood are ignored")
def test_unknown_members_are_ignored(browser, app):
    document = {
        "id_token": {"urn:example:claim": {"value": 7}, "name": {"unheard_of": []}},
        "verified_claims": {"x": 1},
    }

    assert "code" in flow.answer_of(ask(browser, app, document))


@pytest.mark.compliance("OpenID Connect Core", "5.5", "malformed claims are invalid_request")
@pytest.mark.parametrize(
    "document",
    [
        "nonsense",
        "[]",
        '"text"',
        "{",
        '{"id_token": 7}',
        '{"id_token": {"name": "yes"}}',
        '{"userinfo": []}',
        '{"id_token": {"acr": {"values": "2"}}}',
        '{"id_token": {"acr": {"values": [2]}}}',
        '{"id_token": {"sub": {"value": null}}}',
        json.dumps({"id_token": {"x" * 129: None}}),
        json.dumps({"id_token": {f"c{n}": None for n in range(51)}}),
        json.dumps({"x": "y" * 4096}),
        "[" * 4000,
        '{"id_token": {"a\\u0000b": null}}',
        '{"id_token": {"\\ud800": null}}',
        '{"id_token": {"email": null, "email": null}}',
    ],
)
def test_malformed_claims_are_refused(browser, app, document):
    answer = flow.answer_of(ask(browser, app, document))

    assert (answer["error"], answer["error_description"].startswith("claims:")) == (
        "invalid_request",
        True,
    )


@pytest.mark.compliance("RFC 8693", "4.4", "a client names who may act for its people")
def test_may_act_is_kept_on_the_grant(browser, app):
    document = {"access_token": {"may_act": {"values": ["agent-1", "agent-2"]}}}

    tokens_of(browser, app, ask(browser, app, document))
    assert Grant.objects.get().may_act == ["agent-1", "agent-2"]

    tokens_of(browser, app, ask(browser, app, {"access_token": {"may_act": None}}))
    assert Grant.objects.latest("created_at").may_act == []


def test_discovery_announces_the_parameter(client):
    document = client.get("/.well-known/openid-configuration").json()

    assert document["claims_parameter_supported"] is True
    assert document["response_modes_supported"] == ["query", "form_post"]
    assert document["acr_values_supported"] == ["1", "2"]
    assert "select_account" in document["prompt_values_supported"]
