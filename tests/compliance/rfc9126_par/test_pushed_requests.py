import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from ims.conf import PUSHED_REQUEST_TTL_SECONDS
from ims.dpop.nonces import get_nonce
from ims.models import AuthorizationCode, PushedAuthorizationRequest
from ims.services.delete_expired_pushed_requests import delete_expired_pushed_requests
from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow
from tests.factories.identity import basic
from tests.factories.keys import ISSUER, assertion_form, make_claims, make_key, make_proof

pytestmark = pytest.mark.django_db
PAR = "/oauth/par"
PREFIX = "urn:ietf:params:oauth:request_uri:"


@pytest.fixture(autouse=True)
def _installation():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_code_client()


@pytest.fixture
def browser(client):
    return flow.sign_in(client, flow.make_person())


def push(client, known, *, headers=None, **changes):
    """Push a correct request as `known`; a change to None leaves a parameter out."""
    record = getattr(known, "client", known)
    form = flow.authorization_parameters(record, **changes)
    headers = (getattr(known, "headers", None) or {}) | (headers or {})
    return client.post(
        PAR, flow.urlencode(form, doseq=True), content_type=flow.FORM, headers=headers
    )


def start(browser, request_uri, client_id, **more):
    query = {"client_id": client_id, "request_uri": request_uri} | more
    return browser.get("/oauth/authorize", {n: v for n, v in query.items() if v is not None})


def name_of(response):
    assert response.status_code == 201, response.content
    return response.json()["request_uri"]


def refusal(response):
    assert "location" not in response.headers
    return response.status_code, response.json()["error"]


def is_page(response, code="invalid_request_uri"):
    return response.status_code == 400 and code in response.content.decode()


@pytest.mark.compliance("RFC 9126", "2.2", "a pushed request gets a name, and lives shortly")
def test_pushed_request_gets_a_name(client, app):
    response = push(client, app)

    document = response.json()
    assert response.status_code == 201
    assert response["Cache-Control"] == "no-store"
    assert set(document) == {"request_uri", "expires_in"}
    assert document["request_uri"].startswith(PREFIX)
    assert len(document["request_uri"]) >= len(PREFIX) + 43
    assert document["expires_in"] == PUSHED_REQUEST_TTL_SECONDS


@pytest.mark.compliance("RFC 9126", "2.2", "the name is not guessable, and kept as a digest")
def test_name_is_kept_as_a_digest(client, app):
    names = {name_of(push(client, app)) for _ in range(3)}

    kept = " ".join(str(vars(row)) for row in PushedAuthorizationRequest.objects.all())
    assert len(names) == 3
    assert not any(name.removeprefix(PREFIX) in kept for name in names)


@pytest.mark.compliance("RFC 9126", "4", "the browser starts the request by its name")
def test_name_starts_the_request(browser, app):
    request_uri = name_of(push(browser, app))

    page = start(browser, request_uri, app.client.client_id)
    answer = flow.answer_of(flow.decide(browser, page))

    assert answer["state"] == "st&te=1"
    assert answer["iss"] == ISSUER
    document = flow.exchange(browser, app, answer["code"]).json()
    assert document["scope"] == "openid orders:read"


@pytest.mark.compliance("RFC 9126", "4", "only what was pushed counts")
def test_parameters_beside_the_name_count_for_nothing(browser, app):
    request_uri = name_of(push(browser, app))

    page = start(
        browser,
        request_uri,
        app.client.client_id,
        scope="orders:write",
        redirect_uri="https://evil.example/",
        state="evil",
        code_challenge="a" * 43,
    )
    answer = flow.answer_of(flow.decide(browser, page))

    assert answer["state"] == "st&te=1"
    assert flow.exchange(browser, app, answer["code"]).json()["scope"] == "openid orders:read"


@pytest.mark.compliance("RFC 9126", "2", "clients authenticate as at the token endpoint")
def test_wrong_secret_is_refused(client, app):
    wrong = {"Authorization": basic(app.client.client_id, "tgcs_wrong")}

    response = push(client, app.client, headers=wrong)

    assert refusal(response) == (401, "invalid_client")
    assert not PushedAuthorizationRequest.objects.exists()


@pytest.mark.compliance("RFC 9126", "2", "clients authenticate as at the token endpoint")
def test_confidential_client_proves_itself(client, app):
    assert refusal(push(client, app.client)) == (401, "invalid_client")


@pytest.mark.compliance("RFC 9126", "2", "public clients name themselves")
def test_public_client_pushes_with_its_client_id(client):
    assert name_of(push(client, flow.make_public_code_client()))


@pytest.mark.compliance("RFC 9126", "2", "the audience of an assertion may be this endpoint")
@pytest.mark.parametrize("audience", [ISSUER, f"{ISSUER}/oauth/token", f"{ISSUER}{PAR}"])
def test_client_proves_itself_by_an_assertion(client, audience):
    key = make_key()
    app = flow.make_code_client(
        token_endpoint_auth_method="private_key_jwt", metadata={"jwks": key.jwks}
    ).client
    assertion = key.sign(make_claims(app.client_id, aud=audience))

    response = push(client, app, **assertion_form(assertion))

    assert name_of(response)
    (row,) = PushedAuthorizationRequest.objects.all()
    assert not {"client_assertion", "client_assertion_type"} & row.parameters.keys()


def test_secret_is_not_kept(client):
    app = flow.make_code_client(token_endpoint_auth_method="client_secret_post")

    push(client, app.client, client_secret=app.secret)

    (row,) = PushedAuthorizationRequest.objects.all()
    assert app.secret not in str(row.parameters)
    assert row.parameters["client_id"] == [app.client.client_id]


def test_other_client_id_beside_basic_is_refused(client, app):
    assert refusal(push(client, app, client_id="another")) == (400, "invalid_request")


@pytest.mark.compliance("RFC 9126", "2.1", "request_uri MUST NOT be pushed")
@pytest.mark.parametrize("uri", ["https://app.example/request.jwt", PREFIX + "a" * 43])
def test_request_uri_is_refused(client, app, uri):
    assert refusal(push(client, app, request_uri=uri)) == (400, "invalid_request")


@pytest.mark.compliance("RFC 9126", "2.1", "only POST")
@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_other_methods_are_refused(client, method):
    response = getattr(client, method)(PAR)

    assert (response.status_code, response["Allow"]) == (405, "POST")


@pytest.mark.compliance("RFC 9126", "2.3", "what the browser would be told is told as JSON")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": None}, "invalid_request"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"resource": "https://unknown.example/"}, "invalid_target"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "x"}, "invalid_request"),
        ({"dpop_jkt": "x"}, "invalid_request"),
        ({"request": "eyJ9"}, "request_not_supported"),
        ({"scope": ["openid", "email"]}, "invalid_request"),
        ({"state": "a\0b"}, "invalid_request"),
    ],
)
def test_unusable_request_is_refused_at_once(client, app, changes, error):
    assert refusal(push(client, app, **changes)) == (400, error)
    assert not PushedAuthorizationRequest.objects.exists()


def test_client_without_codes_is_refused(client):
    app = flow.make_code_client(grant_types=["client_credentials"])

    assert refusal(push(client, app)) == (400, "unauthorized_client")


@pytest.mark.compliance("RFC 9126", "2.3", "413 when the request is too large")
def test_large_request_is_refused(client, app):
    assert refusal(push(client, app, state="x" * 20_000)) == (413, "invalid_request")


@pytest.mark.compliance("RFC 9126", "4", "a name is good for one use")
def test_name_is_good_for_one_browser(browser, app):
    request_uri = name_of(push(browser, app))
    start(browser, request_uri, app.client.client_id)

    assert is_page(start(Browser(), request_uri, app.client.client_id))


@pytest.mark.compliance("RFC 9126", "4", "a browser may reload, until it is answered")
def test_browser_may_reload_until_it_is_answered(client, app):
    person = flow.make_person()
    request_uri = name_of(push(client, app))
    to_login = start(client, request_uri, app.client.client_id)

    assert start(client, request_uri, app.client.client_id)["Location"] == to_login["Location"]
    flow.sign_in(client, person)
    page = start(client, request_uri, app.client.client_id)
    code = flow.answer_of(flow.decide(client, page))["code"]

    assert flow.exchange(client, app, code).status_code == 200
    assert is_page(start(client, request_uri, app.client.client_id))
    assert AuthorizationCode.objects.count() == 1


@pytest.mark.compliance("RFC 9126", "4", "a name is good for one use")
def test_answered_request_is_not_answered_again(browser):
    app = flow.make_code_client(is_first_party=True)
    request_uri = name_of(push(browser, app))

    first = start(browser, request_uri, app.client.client_id)

    assert "code" in flow.answer_of(first)
    assert is_page(start(browser, request_uri, app.client.client_id))


def test_reload_after_the_sign_in_ends_the_request(client):
    app = flow.make_code_client(is_first_party=True)
    person = flow.make_person()
    request_uri = name_of(push(client, app))
    start(client, request_uri, app.client.client_id)
    flow.sign_in(client, person)

    assert "code" in flow.answer_of(start(client, request_uri, app.client.client_id))
    assert is_page(start(client, request_uri, app.client.client_id))


@pytest.mark.compliance("RFC 9126", "4", "an expired name MUST be refused")
def test_expired_name_is_refused(browser, app):
    request_uri = name_of(push(browser, app))
    PushedAuthorizationRequest.objects.update(expires_at=timezone.now())

    assert is_page(start(browser, request_uri, app.client.client_id))


@pytest.mark.compliance("RFC 9126", "2.2", "a name is bound to the client that pushed")
def test_name_of_another_client_is_refused(browser, app):
    other = flow.make_code_client()
    request_uri = name_of(push(browser, app))

    assert is_page(start(browser, request_uri, other.client.client_id))
    assert is_page(start(browser, request_uri, None))
    assert is_page(start(browser, request_uri, [app.client.client_id, other.client.client_id]))
    # None of them used it up.
    assert start(browser, request_uri, app.client.client_id).status_code == 302


def test_reload_with_another_client_is_refused(browser, app):
    other = flow.make_code_client()
    request_uri = name_of(push(browser, app))
    start(browser, request_uri, app.client.client_id)

    assert is_page(start(browser, request_uri, other.client.client_id))


def test_disabled_client_starts_nothing(browser, app):
    request_uri = name_of(push(browser, app))
    app.client.disabled_at = timezone.now()
    app.client.save()

    assert is_page(start(browser, request_uri, app.client.client_id))


@pytest.mark.parametrize("random_part", ["", "x", "a" * 43, "é", "a" * 5000, "a\0b"])
def test_unknown_name_is_refused(browser, app, random_part):
    assert is_page(start(browser, PREFIX + random_part, app.client.client_id))


@pytest.mark.compliance("RFC 9126", "4", "names of others are not read")
def test_foreign_request_uri_is_refused(browser, app):
    parameters = {"request_uri": "https://app.example/request.jwt"}

    answer = flow.answer_of(flow.authorize(browser, app.client, **parameters))

    assert answer["error"] == "request_uri_not_supported"


@pytest.mark.compliance("RFC 9126", "6", "a client may be held to pushed requests")
def test_client_held_to_pushed_requests(browser):
    app = flow.make_code_client(metadata={"require_pushed_authorization_requests": True})

    direct = flow.answer_of(flow.authorize(browser, app.client))
    pushed = start(browser, name_of(push(browser, app)), app.client.client_id)

    assert direct["error"] == "invalid_request"
    assert "code" in flow.answer_of(flow.decide(browser, pushed))


def test_invented_name_does_not_pass_for_a_pushed_request(browser):
    app = flow.make_code_client(metadata={"require_pushed_authorization_requests": True})

    response = flow.authorize(browser, app.client, request_uri=PREFIX + "a" * 43)
    twice = flow.authorize(browser, app.client, request_uri=[PREFIX + "a", PREFIX + "b"])

    assert is_page(response)
    assert flow.answer_of(twice)["error"] == "invalid_request"


@pytest.mark.compliance("RFC 9449", "10.1", "a proof at PAR binds the code to its key")
def test_proof_binds_the_code(browser, app):
    key = make_key()
    proof = make_proof(key, PAR, nonce=get_nonce())
    request_uri = name_of(push(browser, app, headers={"DPoP": proof}))
    page = start(browser, request_uri, app.client.client_id)
    code = flow.answer_of(flow.decide(browser, page))["code"]

    assert AuthorizationCode.objects.get().dpop_jkt == key.thumbprint
    assert flow.exchange(browser, app, code).json()["error"] == "invalid_grant"


@pytest.mark.compliance("RFC 9449", "10.1", "dpop_jkt and the proof must name the same key")
def test_proof_and_parameter_must_agree(client, app):
    key = make_key()

    def push_with(thumbprint):
        proof = {"DPoP": make_proof(key, PAR, nonce=get_nonce())}
        return push(client, app, headers=proof, dpop_jkt=thumbprint)

    assert refusal(push_with(make_key().thumbprint)) == (400, "invalid_request")
    assert name_of(push_with(key.thumbprint))


@pytest.mark.compliance("RFC 9449", "10.1", "proofs at PAR are checked")
def test_proof_is_checked(client, app):
    key = make_key()
    without_nonce = push(client, app, headers={"DPoP": make_proof(key, PAR)})
    elsewhere = make_proof(key, "/oauth/token", nonce=get_nonce())

    assert refusal(without_nonce) == (400, "use_dpop_nonce")
    assert without_nonce["DPoP-Nonce"] == get_nonce()
    assert refusal(push(client, app, headers={"DPoP": elsewhere})) == (400, "invalid_dpop_proof")


@pytest.mark.compliance("RFC 9126", "5", "discovery names the endpoint")
def test_discovery_names_the_endpoint(client):
    document = client.get("/.well-known/oauth-authorization-server").json()

    assert document["pushed_authorization_request_endpoint"] == f"{ISSUER}{PAR}"
    assert document["require_pushed_authorization_requests"] is False


def test_expired_requests_are_deleted(client, app):
    push(client, app)
    PushedAuthorizationRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    name_of(push(client, app))

    assert delete_expired_pushed_requests() == 1
    assert PushedAuthorizationRequest.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_browsers_at_a_time_one_wins(client, app):
    request_uri = name_of(push(client, app))
    statuses = []
    barrier = threading.Barrier(4)

    def come():
        barrier.wait()
        statuses.append(start(Browser(), request_uri, app.client.client_id).status_code)
        connection.close()

    threads = [threading.Thread(target=come) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [302, 400, 400, 400]
