import json
import time

import jwt
import pytest
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from ims.checks.client_metadata_members import parse_other_members
from ims.models import SigningKey
from tests.compliance.rfc7662_introspection.test_introspection import introspect
from tests.factories.identity import (
    INVOICES,
    ORDERS,
    make_access_token,
    make_client,
    make_grant,
    make_refresh_token,
    make_resource,
    make_user,
)
from wire.oauth_errors import InvalidClientMetadata

pytestmark = pytest.mark.django_db
ACCEPT = {"Accept": "application/token-introspection+jwt"}


@pytest.fixture
def api():
    return make_client(client_id="orders-api")


@pytest.fixture
def app():
    return make_client().client


def ask(client, caller, token, **form):
    return introspect(client, caller, token, ACCEPT, **form)


def read(response, caller):
    text = response.content.decode()
    header = jwt.get_unverified_header(text)
    key = jwt.PyJWK(SigningKey.objects.get(kid=header["kid"]).public_jwk)
    return jwt.decode(text, key, algorithms=[header["alg"]], audience=caller.client.client_id)


@pytest.mark.compliance("RFC 9701", "5", "iss, aud (the caller), iat and token_introspection")
def test_answer_is_a_jwt_for_the_caller(client, api, app, settings):
    make_resource(readers=[api.client])
    token, record = make_access_token(app)

    response = ask(client, api, token)

    claims = read(response, api)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/token-introspection+jwt"
    assert set(claims) == {"iss", "aud", "iat", "token_introspection"}
    assert (claims["iss"], claims["aud"]) == (settings.ISSUER, "orders-api")
    assert abs(claims["iat"] - time.time()) < 60
    assert claims["token_introspection"] == introspect(client, api, token).json()
    assert claims["token_introspection"]["jti"] == str(record.id)


@pytest.mark.compliance("RFC 9701", "5", "the typ header is token-introspection+jwt")
@pytest.mark.compliance("RFC 9701", "6", "signed with RS256 unless the caller registered another")
def test_default_algorithm_is_rs256(client, api, app):
    make_resource(readers=[api.client])
    token, _ = make_access_token(app)

    header = jwt.get_unverified_header(ask(client, api, token).content)

    assert (header["alg"], header["typ"]) == ("RS256", "token-introspection+jwt")


@pytest.mark.compliance("RFC 9701", "6", "introspection_signed_response_alg chooses the algorithm")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_caller_chooses_the_algorithm(client, app, algorithm):
    caller = make_client(metadata={"introspection_signed_response_alg": algorithm})
    make_resource(readers=[caller.client])
    token, _ = make_access_token(app)

    response = ask(client, caller, token)

    assert jwt.get_unverified_header(response.content)["alg"] == algorithm
    assert read(response, caller)["token_introspection"]["active"] is True


@pytest.mark.compliance("RFC 9701", "5", "no algorithm that proves nothing, whatever is recorded")
@pytest.mark.parametrize("algorithm", ["none", "HS256", "nonsense"])
def test_algorithm_is_never_weakened(client, app, algorithm):
    caller = make_client(metadata={"introspection_signed_response_alg": algorithm})
    make_resource(readers=[caller.client])
    token, _ = make_access_token(app)

    header = jwt.get_unverified_header(ask(client, caller, token).content)

    assert header["alg"] == "RS256"


@pytest.mark.compliance("RFC 9701", "5", "an inactive token is answered with only active: false")
@pytest.mark.parametrize("why", ["junk", "another API's", "expired", "refresh token", "not named"])
def test_inactive_is_signed_too(client, api, app, why):
    make_resource(readers=[api.client])
    make_resource(INVOICES, readers=[make_client().client])
    token = {
        "junk": lambda: "junk",
        "another API's": lambda: make_access_token(app, resources=[INVOICES])[0],
        "expired": lambda: make_access_token(app, expires_at="2020-01-01T00:00:00Z")[0],
        "refresh token": lambda: make_refresh_token(make_grant(app, make_user()))[0],
        "not named": lambda: make_access_token(app)[0],
    }[why]()
    form = {"resource": INVOICES} if why == "not named" else {}

    response = ask(client, api, token, **form)

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert read(response, api)["token_introspection"] == {"active": False}


@pytest.mark.compliance("RFC 9701", "5", "no sub and exp beside token_introspection")
@pytest.mark.compliance("RFC 9701", "8.1", "the JWT is no access token: typ, aud and claims differ")
def test_answer_is_no_access_token(client, api, app):
    make_resource(readers=[api.client])
    user = make_user()
    token, _ = make_access_token(app, user=user, grant=make_grant(app, user))

    text = ask(client, api, token).content.decode()

    claims = jwt.decode(text, options={"verify_signature": False})
    assert not {"sub", "exp", "scope", "client_id", "jti"} & set(claims)
    assert claims["aud"] != ORDERS
    assert jwt.get_unverified_header(text)["typ"] != "at+jwt"
    bearer = client.get("/oauth/userinfo", headers={"Authorization": f"Bearer {text}"})
    assert bearer.status_code == 401
    assert introspect(client, api, text).json() == {"active": False}


@pytest.mark.compliance("RFC 9701", "4", "the caller authenticates; nobody else is answered")
def test_stranger_is_refused(client, api, app):
    make_resource(readers=[api.client])
    token, _ = make_access_token(app)

    response = client.post("/oauth/introspect", {"token": token}, headers=ACCEPT)

    assert response.status_code == 400  # multipart
    response = client.post(
        "/oauth/introspect",
        f"token={token}",
        content_type="application/x-www-form-urlencoded",
        headers=ACCEPT,
    )
    assert response.status_code == 401
    assert response["Content-Type"] == "application/json"


def test_several_resources_are_described_together(client, api, app):
    make_resource(ORDERS, readers=[api.client])
    make_resource(INVOICES, readers=[api.client], scopes=("invoices:read",))
    token, _ = make_access_token(
        app, resources=[ORDERS, INVOICES], scopes=["orders:read", "invoices:read"]
    )

    document = read(ask(client, api, token), api)["token_introspection"]

    assert document["aud"] == [INVOICES, ORDERS]


def test_one_statement_once_the_key_is_known(client, api, app, django_assert_num_queries):
    make_resource(readers=[api.client])
    token, _ = make_access_token(app)
    ask(client, api, token)

    ask(client, api, token)  # the key made on demand is read again
    with django_assert_num_queries(1):
        response = ask(client, api, token)

    assert response["Cache-Control"].startswith("private, max-age=")


@pytest.mark.compliance("RFC 9701", "7", "metadata names the signing algorithms")
def test_metadata_names_the_algorithms(client):
    document = client.get("/.well-known/oauth-authorization-server").json()

    named = document["introspection_signing_alg_values_supported"]
    assert named == ["ES256", "RS256", "PS256", "EdDSA"]


@pytest.mark.compliance("RFC 9701", "6", "encrypted to the caller's key where it registered that")
@pytest.mark.parametrize(("enc", "used"), [(None, "A128CBC-HS256"), ("A256GCM", "A256GCM")])
def test_answer_is_encrypted_to_the_caller(client, app, enc, used):
    key = JWK.generate(kty="EC", crv="P-256", kid="api-1")
    metadata = {
        "introspection_encrypted_response_alg": "ECDH-ES+A256KW",
        "jwks": {"keys": [json.loads(key.export_public())]},
    }
    if enc:
        metadata["introspection_encrypted_response_enc"] = enc
    caller = make_client(metadata=metadata)
    make_resource(readers=[caller.client])
    token, _ = make_access_token(app)

    jwe = JWE()
    jwe.deserialize(ask(client, caller, token).content.decode(), key=key)

    inner = jwt.decode(jwe.payload.decode(), options={"verify_signature": False})
    assert (jwe.jose_header["enc"], jwe.jose_header["cty"]) == (used, "JWT")
    assert not {"iss", "aud", "sub"} & set(jwe.jose_header)
    assert inner["aud"] == caller.client.client_id
    assert inner["token_introspection"]["active"] is True


@pytest.mark.parametrize("token", ["live", "junk"])
def test_answer_is_never_sent_in_clear_instead(client, app, token):
    caller = make_client(metadata={"introspection_encrypted_response_alg": "ECDH-ES"})
    make_resource(readers=[caller.client])
    presented = make_access_token(app)[0] if token == "live" else token

    response = ask(client, caller, presented)

    assert (response.status_code, response.json()["error"]) == (500, "server_error")


@pytest.mark.compliance("RFC 9701", "6", "_enc needs _alg, and _alg a key to encrypt to")
@pytest.mark.parametrize(
    "metadata",
    [
        {"introspection_encrypted_response_enc": "A256GCM"},
        {"introspection_encrypted_response_alg": "ECDH-ES"},
        {"introspection_encrypted_response_alg": "RSA1_5", "jwks": {"keys": []}},
        {"introspection_encrypted_response_alg": ["ECDH-ES"], "jwks": {"keys": []}},
        {
            "introspection_encrypted_response_alg": "ECDH-ES",
            "jwks_uri": "https://api.example/jwks",
        },
    ],
)
def test_encryption_that_cannot_be_is_not_registered(metadata):
    with pytest.raises(InvalidClientMetadata):
        parse_other_members(metadata)


def test_metadata_names_the_encryption(client):
    document = client.get("/.well-known/oauth-authorization-server").json()

    assert "ECDH-ES" in document["introspection_encryption_alg_values_supported"]
    assert "A128CBC-HS256" in document["introspection_encryption_enc_values_supported"]
