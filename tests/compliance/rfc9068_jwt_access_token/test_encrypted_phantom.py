import json

import jwt
import pytest
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK

from gateway.dataplane.phantom_token import Expectations, read_phantom_token
from ims.models import SigningKey
from tests.compliance.rfc7662_introspection.test_introspection import JWT, introspect
from tests.factories.identity import (
    ORDERS,
    make_access_token,
    make_client,
    make_grant,
    make_resource,
    make_user,
)

pytestmark = pytest.mark.django_db


def make_key(algorithm):
    if algorithm.startswith("RSA"):
        return JWK.generate(kty="RSA", size=2048, kid="api-1", use="enc")
    return JWK.generate(kty="EC", crv="P-256", kid="api-1", use="enc")


def publish(*keys):
    return {"keys": [json.loads(key.export_public()) for key in keys]}


@pytest.fixture
def gateway():
    return make_client(client_id="gateway")


def make_encrypted_resource(gateway, algorithm, jwks):
    record = make_resource(readers=[gateway.client], claims=["email"])
    record.jwt_encryption_alg, record.jwks = algorithm, jwks
    record.save()
    return record


def make_token():
    client, user = make_client().client, make_user(email="ada@example.com")
    return make_access_token(client, user=user, grant=make_grant(client, user))


def decrypt(text, key):
    jwe = JWE()
    jwe.deserialize(text, key=key)
    return jwe.jose_header, jwe.payload.decode()


@pytest.mark.compliance("RFC 9068", "2", "the JWT may be encrypted to the resource server's key")
@pytest.mark.compliance("RFC 7519", "5.2", "cty is JWT where a signed JWT is encrypted")
@pytest.mark.parametrize("algorithm", ["ECDH-ES", "ECDH-ES+A256KW", "RSA-OAEP-256"])
def test_api_reads_the_signed_jwt_inside(client, gateway, algorithm):
    key = make_key(algorithm)
    make_encrypted_resource(gateway, algorithm, publish(key))
    token, _ = make_token()

    response = introspect(client, gateway, token, JWT)

    header, inner = decrypt(response.content.decode(), key)
    known = jwt.PyJWK(SigningKey.objects.get().public_jwk)
    claims = jwt.decode(inner, known, algorithms=["ES256"], audience=ORDERS)
    assert response["Content-Type"] == "application/jwt"
    assert (header["alg"], header["enc"], header["cty"]) == (algorithm, "A256GCM", "JWT")
    assert header["kid"] == "api-1"
    assert jwt.get_unverified_header(inner)["typ"] == "at+jwt"
    assert claims["email"] == "ada@example.com"


@pytest.mark.compliance("RFC 7519", "5.3", "claims replicated in the header are the same inside")
def test_gateway_can_enforce_and_sees_nothing_else(client, gateway):
    key = make_key("ECDH-ES")
    make_encrypted_resource(gateway, "ECDH-ES", publish(key))
    token, record = make_token()

    text = introspect(client, gateway, token, JWT).content.decode()

    header, inner = decrypt(text, key)
    claims = jwt.decode(inner, options={"verify_signature": False})
    replicated = set(header) - {"alg", "enc", "cty", "kid", "epk"}
    needed = {"iss", "sub", "aud", "client_id", "scope", "iat", "exp"}
    assert needed <= replicated <= needed | {"acr", "auth_time"}
    assert all(header[name] == claims[name] for name in replicated)
    assert "ada@example.com" not in json.dumps(header)
    read = read_phantom_token(
        text.encode(),
        Expectations(claims["iss"], ORDERS),
        max_age_seconds=None,
        unix_now=claims["iat"],
        now=0.0,
    )
    assert read.client_id == record.client.client_id


def test_gateway_sees_that_an_encrypted_token_is_bound(client, gateway):
    key = make_key("ECDH-ES")
    make_encrypted_resource(gateway, "ECDH-ES", publish(key))
    token, _ = make_access_token(make_client().client, dpop_jkt="k" * 43)

    header, _ = decrypt(introspect(client, gateway, token, JWT).content.decode(), key)

    assert header["cnf"] == {"jkt": "k" * 43}


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        {},
        {"keys": []},
        {"keys": [{"kty": "EC", "crv": "P-256", "x": "junk", "y": "junk"}]},
        {"keys": [{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}]},
    ],
)
def test_without_a_usable_key_nothing_is_sent_in_clear(client, gateway, jwks):
    make_encrypted_resource(gateway, "ECDH-ES", jwks)
    token, _ = make_token()

    response = introspect(client, gateway, token, JWT)

    assert response.status_code == 500
    assert response.json()["error"] == "server_error"
    assert b"eyJ" not in response.content


def test_key_for_signatures_is_not_encrypted_to(client, gateway):
    signing = JWK.generate(kty="EC", crv="P-256", kid="sig", use="sig")
    other = JWK.generate(kty="EC", crv="P-256", kid="other", alg="ECDH-ES+A256KW")
    fitting = JWK.generate(kty="EC", crv="P-256", kid="fits")
    make_encrypted_resource(gateway, "ECDH-ES", publish(signing, other, fitting))
    token, _ = make_token()

    header, _ = decrypt(introspect(client, gateway, token, JWT).content.decode(), fitting)

    assert header["kid"] == "fits"


@pytest.mark.compliance("RFC 7518", "4.3", "RSA keys of less than 2048 bits are not used")
def test_short_rsa_key_is_refused(client, gateway):
    short = JWK.generate(kty="RSA", size=1024)
    make_encrypted_resource(gateway, "RSA-OAEP-256", publish(short))
    token, _ = make_token()

    assert introspect(client, gateway, token, JWT).status_code == 500


def test_json_answers_need_no_key(client, gateway):
    make_encrypted_resource(gateway, "ECDH-ES", None)
    token, _ = make_token()

    assert introspect(client, gateway, token).json()["active"] is True


def test_one_statement(client, gateway, django_assert_num_queries):
    make_encrypted_resource(gateway, "ECDH-ES", publish(make_key("ECDH-ES")))
    token, _ = make_token()
    for _ in range(2):
        introspect(client, gateway, token, JWT)

    with django_assert_num_queries(1):
        introspect(client, gateway, token, JWT)


def test_what_is_encrypted_for_the_api_is_not_told_in_clear(client, gateway):
    make_encrypted_resource(gateway, "ECDH-ES", publish(make_key("ECDH-ES")))
    token, _ = make_token()

    document = introspect(client, gateway, token).json()

    assert document["active"] is True
    assert not {"email", "username"} & document.keys()
