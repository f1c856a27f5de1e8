import json
import time
from urllib.parse import urlencode

import jwt
import pytest

from ims.endpoints.client_assertion import LONGEST_LIFETIME_SECONDS
from ims.models import ClientSecret
from tests.compliance.rfc7523_private_key_jwt.conftest import make_key_client
from tests.factories.identity import make_access_token, make_client, make_resource
from tests.factories.keys import (
    ISSUER,
    SigningKey,
    assertion_form,
    base64url,
    make_claims,
    make_key,
    make_rsa,
    sign_raw,
    sign_text,
)
from wire import bearer

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
ALL_ALGORITHMS = ["ES256", "ES384", "RS256", "PS256", "EdDSA"]


def post(client, address, form, **options):
    body = urlencode({name: value for name, value in form.items() if value is not None})
    return client.post(address, body, content_type=FORM, **options)


def ask(client, assertion, **changes):
    form = {"grant_type": "client_credentials"} | assertion_form(assertion, **changes)
    return post(client, "/oauth/token", form)


def is_refused(response, status=401):
    return (response.status_code, response.json()["error"]) == (status, "invalid_client")


@pytest.mark.compliance("RFC 7523", "2.2", "a client proves itself by an assertion it signed")
@pytest.mark.parametrize("algorithm", ALL_ALGORITHMS)
def test_assertion_proves_the_client(client, algorithm):
    make_resource(scopes=["orders:read"])
    key = make_key(algorithm)
    app = make_key_client(key)

    response = ask(client, key.sign(make_claims(app.client_id)))

    assert response.status_code == 200
    assert response.json()["token_type"] == "Bearer"


@pytest.mark.compliance("RFC 7523", "2.2", "client_assertion_type is required")
@pytest.mark.parametrize(
    "assertion_type",
    [None, "", "jwt-bearer", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"],
)
def test_other_assertion_type_is_refused(client, app, key, assertion_type):
    response = ask(
        client, key.sign(make_claims(app.client_id)), client_assertion_type=assertion_type
    )

    assert is_refused(response)


@pytest.mark.compliance("RFC 7521", "4.2", "client_id, if sent, identifies the same client")
def test_client_id_must_be_the_same(client, app, key):
    assertion = key.sign(make_claims(app.client_id))

    other = ask(client, assertion, client_id="another")
    same = ask(client, assertion, client_id=app.client_id)

    assert (other.status_code, other.json()["error"]) == (400, "invalid_request")
    assert same.status_code == 200


@pytest.mark.compliance("RFC 6749", "2.3", "no more than one authentication method a request")
def test_assertion_beside_a_secret_is_refused(client, app, key):
    assertion = key.sign(make_claims(app.client_id))
    in_form = ask(client, assertion, client_secret="tgcs_x")
    in_header = post(
        client,
        "/oauth/token",
        {"grant_type": "client_credentials"} | assertion_form(assertion),
        headers={"Authorization": "Basic YTpi"},
    )

    for response in (in_form, in_header):
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.compliance("RFC 7523", "3", "iss and sub are the client_id")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"sub": None},
        {"iss": "another"},
        {"sub": "another"},
        {"iss": 7, "sub": 7},
        {"iss": "", "sub": ""},
        {"iss": "a\0b", "sub": "a\0b"},
        {"iss": "a" * 256, "sub": "a" * 256},
    ],
)
def test_issuer_and_subject_are_the_client(client, app, key, changes):
    claims = {
        name: value
        for name, value in (make_claims(app.client_id) | changes).items()
        if value is not None
    }

    assert is_refused(ask(client, sign_raw(key, claims)))


@pytest.mark.compliance("RFC 7523", "3", "the audience is the authorization server")
@pytest.mark.parametrize(
    "audience",
    [ISSUER, [ISSUER], f"{ISSUER}/oauth/token", [ISSUER, f"{ISSUER}/oauth/token"]],
)
def test_own_names_are_the_audience(client, app, key, audience):
    assert ask(client, key.sign(make_claims(app.client_id, aud=audience))).status_code == 200


@pytest.mark.compliance("RFC 7523", "3", "MUST reject a JWT for another audience")
@pytest.mark.parametrize(
    "audience",
    [
        None,
        "",
        [],
        7,
        {"a": 1},
        f"{ISSUER}/",
        "https://evil.example",
        [ISSUER, "https://evil.example"],
        [ISSUER, None],
        f"{ISSUER}/oauth/introspect",
    ],
)
def test_other_audience_is_refused(client, app, key, audience):
    claims = make_claims(app.client_id) | {"aud": audience}

    assert is_refused(ask(client, sign_raw(key, claims)))


@pytest.mark.compliance("RFC 7523", "3", "exp is required, limited, and checked")
@pytest.mark.parametrize(
    "expires_in", [-3600, -60, LONGEST_LIFETIME_SECONDS + 60, 10**9, 10**15, 10**400]
)
def test_expired_and_long_lived_assertions_are_refused(client, app, key, expires_in):
    claims = make_claims(app.client_id, exp=int(time.time()) + expires_in)

    assert is_refused(ask(client, sign_raw(key, claims)))


@pytest.mark.compliance("RFC 7519", "4.1", "times are numbers, and have come")
@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"exp": "2030"},
        {"exp": True},
        {"exp": [1]},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"iat": "now"},
        {"iat": 10**10},
        {"nbf": 10**10},
        {"nbf": {}},
    ],
)
def test_other_times_are_refused(client, app, key, changes):
    claims = make_claims(app.client_id) | changes

    assert is_refused(ask(client, sign_raw(key, claims)))


@pytest.mark.compliance("RFC 7523", "3", "iat and nbf are optional")
def test_iat_may_be_left_out(client, app, key):
    assert ask(client, key.sign(make_claims(app.client_id, iat=None))).status_code == 200


@pytest.mark.compliance("OpenID Connect Core", "9", "jti is required, and good for one use")
def test_assertion_is_good_for_one_use(client, app, key):
    assertion = key.sign(make_claims(app.client_id))

    first, second = ask(client, assertion), ask(client, assertion)

    assert first.status_code == 200
    assert is_refused(second)


@pytest.mark.compliance("OpenID Connect Core", "9", "jti is required, and good for one use")
@pytest.mark.parametrize("jti", [None, "", 7, "x" * 256, ["a"]])
def test_unusable_jti_is_refused(client, app, key, jti):
    claims = make_claims(app.client_id) | {"jti": jti}

    assert is_refused(ask(client, sign_raw(key, claims)))


def test_two_clients_may_choose_the_same_jti(client, app, key):
    other_key = make_key()
    other = make_key_client(other_key)

    assert ask(client, key.sign(make_claims(app.client_id, jti="a"))).status_code == 200
    assert ask(client, other_key.sign(make_claims(other.client_id, jti="a"))).status_code == 200


def test_replay_that_cannot_be_checked_is_refused(client, app, key, settings):
    settings.CACHES = {
        "default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}
    }

    response = ask(client, key.sign(make_claims(app.client_id)))

    assert (response.status_code, response.json()["error"]) == (503, "temporarily_unavailable")


@pytest.mark.compliance("RFC 7523", "3", "MUST reject a JWT with an invalid signature")
def test_signature_of_another_key_is_refused(client, app, key):
    stranger = make_key(kid="one")

    assert is_refused(ask(client, stranger.sign(make_claims(app.client_id))))


@pytest.mark.compliance("RFC 7523", "3", "MUST reject a JWT with an invalid signature")
def test_changed_claims_are_refused(client, app, key):
    other = make_key_client(make_key())
    header, _, signature = key.sign(make_claims(app.client_id)).split(".")
    payload = base64url(json.dumps(make_claims(other.client_id)).encode())

    assert is_refused(ask(client, f"{header}.{payload}.{signature}"))


@pytest.mark.compliance("RFC 8725", "3.1", "algorithms that need no private key are refused")
def test_none_and_mac_are_refused(client, app, key):
    claims = make_claims(app.client_id)
    unsigned = jwt.encode(claims, None, algorithm="none")
    # A verifier that mixes up the kinds takes the public key for the secret of a MAC.
    mac = jwt.encode(claims, key.jwk["x"], algorithm="HS256")

    for assertion in (unsigned, unsigned + "AA", mac):
        assert is_refused(ask(client, assertion))


def test_algorithm_must_fit_the_key(client):
    """ES256 with a key on P-384, and an RSA key that is too short."""
    make_resource(scopes=["orders:read"])
    p384 = make_key("ES384")
    app = make_key_client(p384)
    forged = SigningKey(p384.private_key, "ES384").sign(make_claims(app.client_id))
    header = base64url(json.dumps({"alg": "ES256"}).encode())
    short = SigningKey(make_rsa(1024), "RS256")
    weak = make_key_client(short)
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        weak_assertion = short.sign(make_claims(weak.client_id))

    assert is_refused(ask(client, ".".join([header, *forged.split(".")[1:]])))
    assert is_refused(ask(client, weak_assertion))


def test_registered_algorithm_is_the_only_one(client):
    make_resource(scopes=["orders:read"])
    rsa = make_rsa(2048)
    key = SigningKey(rsa, "RS256")
    app = make_key_client(key, token_endpoint_auth_signing_alg="PS256")

    assert is_refused(ask(client, key.sign(make_claims(app.client_id))))
    pss = SigningKey(rsa, "PS256")
    assert ask(client, pss.sign(make_claims(app.client_id))).status_code == 200


def test_key_for_encryption_signs_nothing(client, key):
    app = make_key_client(key, jwks={"keys": [key.jwk | {"use": "enc"}]})

    assert is_refused(ask(client, key.sign(make_claims(app.client_id))))


@pytest.mark.compliance("RFC 7515", "4.1.11", "critical extensions are not ignored")
def test_critical_extension_is_refused(client, app, key):
    assertion = sign_raw(key, make_claims(app.client_id), crit=["b64"], b64=False)

    assert is_refused(ask(client, assertion))


@pytest.mark.parametrize(
    "assertion",
    ["", "x", "a.b", "a.b.c", "a.b.c.d", "e30.e30.e30", "W10.W10.W10", "a" * 9000, "é.é.é"],
)
def test_malformed_assertion_is_refused(client, assertion):
    assert is_refused(ask(client, assertion))


def test_repeated_claim_is_refused(client, app, key):
    text = json.dumps(make_claims(app.client_id))[:-1] + ', "sub": "another"}'
    assertion = sign_text(key, {"alg": "ES256"}, text)

    assert is_refused(ask(client, assertion))


@pytest.mark.compliance("RFC 7591", "2", "the registered method is the only one")
def test_secret_of_a_key_client_proves_nothing(client, app):
    secret = bearer.mint(bearer.Prefix.CLIENT_SECRET)
    ClientSecret.objects.create(client=app, digest=bearer.digest(secret))

    response = post(
        client,
        "/oauth/token",
        {
            "grant_type": "client_credentials",
            "client_id": app.client_id,
            "client_secret": secret,
        },
    )

    assert is_refused(response)


@pytest.mark.compliance("RFC 7591", "2", "the registered method is the only one")
def test_key_of_a_client_with_a_secret_proves_nothing(client, key):
    app = make_client(metadata={"jwks": key.jwks}).client

    assert is_refused(ask(client, key.sign(make_claims(app.client_id))))


def test_client_id_alone_proves_nothing(client, app):
    response = post(
        client, "/oauth/token", {"grant_type": "client_credentials", "client_id": app.client_id}
    )

    assert is_refused(response)


@pytest.mark.compliance("RFC 6749", "5.2", "nobody learns which clients exist")
def test_every_failure_reads_the_same(client, app, key):
    stranger = make_key()
    disabled_key = make_key()
    disabled = make_key_client(disabled_key)
    disabled.disabled_at = "2026-01-01T00:00:00Z"
    disabled.save()

    responses = [
        ask(client, stranger.sign(make_claims("nobody"))),
        ask(client, stranger.sign(make_claims(app.client_id))),
        ask(client, disabled_key.sign(make_claims(disabled.client_id))),
        ask(client, make_key("RS256").sign(make_claims(app.client_id))),
    ]

    assert {response.content for response in responses} == {responses[0].content}
    assert all(is_refused(response) for response in responses)


def test_token_takes_three_statements(client, app, key, django_assert_max_num_queries):
    assertion = key.sign(make_claims(app.client_id))

    with django_assert_max_num_queries(3):
        assert ask(client, assertion).status_code == 200


@pytest.mark.compliance("RFC 7009", "2.1", "revocation authenticates clients alike")
def test_assertion_opens_revocation(client, app, key):
    token, record = make_access_token(app)
    form = {"token": token} | assertion_form(
        key.sign(make_claims(app.client_id, aud=f"{ISSUER}/oauth/revoke"))
    )

    response = post(client, "/oauth/revoke", form)

    record.refresh_from_db()
    assert response.status_code == 200
    assert record.revoked_at is not None


@pytest.mark.compliance("RFC 7662", "2.1", "introspection authenticates clients alike")
def test_assertion_opens_introspection(client, key):
    reader = make_key_client(key)
    make_resource(scopes=["orders:read"], readers=[reader])
    token, _ = make_access_token(make_client().client)
    claims = make_claims(reader.client_id, aud=f"{ISSUER}/oauth/introspect")
    form = {"token": token} | assertion_form(key.sign(claims))

    first, replayed = (post(client, "/oauth/introspect", form) for _ in range(2))

    assert first.json()["active"] is True
    assert is_refused(replayed)


@pytest.mark.compliance("RFC 8414", "2", "signing algorithms of assertions are told")
def test_discovery_names_method_and_algorithms(client):
    document = client.get("/.well-known/oauth-authorization-server").json()

    for endpoint in ("token", "introspection", "revocation"):
        methods = document[f"{endpoint}_endpoint_auth_methods_supported"]
        algorithms = document[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert "private_key_jwt" in methods
        assert algorithms == [*ALL_ALGORITHMS, "Ed25519"]
