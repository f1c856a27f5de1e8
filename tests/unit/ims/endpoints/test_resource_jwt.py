import json

import pytest
from jwcrypto.jwk import JWK

from ims.models import ClaimMapping, ProtectedResource
from tests.factories.identity import make_client
from tests.unit.ims.endpoints.test_protected_resources import DECLARATION, make_headers, put

pytestmark = pytest.mark.django_db
JWKS = {"keys": [json.loads(JWK.generate(kty="EC", crv="P-256").export_public())]}


@pytest.fixture
def headers(settings):
    make_client(client_id="tollgate-gateway")
    return make_headers(settings)


def declare(client, headers, **members):
    response = put(client, DECLARATION | members, headers)
    return response, ProtectedResource.objects.filter(resource=DECLARATION["resource"]).first()


def test_api_declares_how_its_jwt_is_made(client, headers):
    members = {"jwt_signing_alg": "EdDSA", "jwt_encryption_alg": "ECDH-ES", "jwks": JWKS}

    response, record = declare(client, headers, **members)

    assert response.status_code == 200
    assert response.json().items() >= members.items()
    assert (record.jwt_signing_alg, record.jwt_encryption_alg) == ("EdDSA", "ECDH-ES")
    assert record.jwks == JWKS


def test_declaration_that_says_nothing_of_it_leaves_what_was_chosen(client, headers):
    _, record = declare(client, headers, jwt_signing_alg="PS256")
    ClaimMapping.objects.create(protected_resource=record, source="username", claim="login")

    response, again = declare(client, headers)

    assert "jwt_signing_alg" not in response.json()
    assert again.jwt_signing_alg == "PS256"
    assert again.claim_mappings.count() == 1


def test_encryption_is_switched_off_by_the_other_members(client, headers):
    declare(client, headers, jwt_encryption_alg="ECDH-ES", jwks=JWKS)

    _, record = declare(client, headers, jwt_signing_alg="ES256")

    assert (record.jwt_encryption_alg, record.jwks) == ("", None)


def test_keys_at_an_address_are_read_later(client, headers):
    members = {"jwt_encryption_alg": "ECDH-ES", "jwks_uri": "https://api.example/jwks"}

    response, record = declare(client, headers, **members)

    assert response.status_code == 200
    assert (record.jwks, record.jwks_read_at) == (None, None)


@pytest.mark.parametrize(
    ("members", "named"),
    [
        ({"jwt_signing_alg": "none"}, "jwt_signing_alg"),
        ({"jwt_signing_alg": "HS256"}, "jwt_signing_alg"),
        ({"jwt_signing_alg": ["ES256"]}, "jwt_signing_alg"),
        ({"jwt_encryption_alg": "dir"}, "jwt_encryption_alg"),
        ({"jwt_encryption_alg": "RSA1_5"}, "jwt_encryption_alg"),
        ({"jwt_encryption_alg": "ECDH-ES"}, "jwks"),
        ({"jwt_encryption_alg": "RSA-OAEP-256", "jwks": JWKS}, "jwks"),
        ({"jwks": "text"}, "jwks"),
        ({"jwks": {"keys": [{"kty": "EC", "d": "AA"}]}}, "jwks"),
        ({"jwks": JWKS, "jwks_uri": "https://api.example/jwks"}, "jwks"),
        ({"jwks_uri": 7}, "jwks_uri"),
        ({"jwks_uri": "http://api.example/jwks"}, "jwks_uri"),
        ({"jwks_uri": "https://10.0.0.1:22/jwks"}, "jwks_uri"),
        ({"jwks_uri": "https://a@api.example/jwks"}, "jwks_uri"),
        ({"jwks_uri": "https://api.example/" + "a" * 512}, "jwks_uri"),
    ],
)
def test_wrong_member_is_named(client, headers, members, named):
    response, record = declare(client, headers, **members)

    assert response.status_code == 400
    assert response.json()["error_description"].startswith(f"{named}:")
    assert record is None
