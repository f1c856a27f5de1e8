import base64
import hashlib

import jwt
import pytest
from jwcrypto.jwk import JWK

from ims.models import SigningKey
from ims.queries.id_token_hints import find_hint
from ims.services.create_signing_key import create_signing_key
from ims.services.issue_id_token import issue_id_token
from ims.services.replace_compromised_keys import replace_compromised_keys
from tests.factories.identity import make_client, make_grant, make_user

pytestmark = pytest.mark.django_db
HASHES = {"ES256": "sha256", "RS256": "sha256", "PS256": "sha256", "EdDSA": "sha512"}


def issue(**metadata):
    client = make_client(metadata=metadata).client
    grant = make_grant(client, make_user())
    return client, issue_id_token(client=client, grant=grant, access_token="the-access-token")


def read_published(browser, id_token, client):
    """Return header and claims, checked with the key set as a client reads it."""
    header = jwt.get_unverified_header(id_token)
    keys = jwt.PyJWKSet.from_dict(browser.get("/oauth/jwks").json())
    claims = jwt.decode(
        id_token, keys[header["kid"]], algorithms=[header["alg"]], audience=client.client_id
    )
    return header, claims


@pytest.mark.compliance("OpenID Connect Registration", "2", "id_token_signed_response_alg is used")
@pytest.mark.compliance("OpenID Connect Core", "3.1.3.6", "at_hash uses the hash of the algorithm")
@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_client_chooses_the_algorithm(client, algorithm):
    known, id_token = issue(id_token_signed_response_alg=algorithm)

    header, claims = read_published(client, id_token, known)

    digest = hashlib.new(HASHES[algorithm], b"the-access-token").digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    assert header["alg"] == algorithm
    assert claims["at_hash"] == half


@pytest.mark.parametrize("metadata", [{}, {"id_token_signed_response_alg": "none"}])
def test_es256_signs_for_who_asked_for_nothing_we_have(client, metadata):
    known, id_token = issue(**metadata)

    assert read_published(client, id_token, known)[0]["alg"] == "ES256"


@pytest.mark.compliance("OpenID Connect Discovery", "3", "RS256 is among the supported algorithms")
def test_discovery_names_the_algorithms(client):
    document = client.get("/.well-known/openid-configuration").json()

    assert document["id_token_signing_alg_values_supported"] == list(HASHES)


@pytest.mark.compliance(
    "RFC 7517", "5", "the key set holds public keys only, each with kid and alg"
)
def test_key_set_is_public(client):
    for algorithm in HASHES:
        create_signing_key(algorithm=algorithm)

    keys = client.get("/oauth/jwks").json()["keys"]

    assert {key["alg"] for key in keys} == set(HASHES)
    for key in keys:
        assert key["use"] == "sig"
        assert key["kid"]
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & set(key)


@pytest.mark.compliance("RFC 7638", "3", "kid is the thumbprint of the key")
@pytest.mark.parametrize("algorithm", list(HASHES))
def test_kid_is_the_thumbprint(algorithm):
    key = create_signing_key(algorithm=algorithm)

    assert JWK(**key.public_jwk).thumbprint() == key.kid


@pytest.mark.compliance("RFC 9110", "13.1.2", "an unchanged key set is answered by 304")
def test_key_set_is_cached_and_revalidated(client):
    create_signing_key()
    first = client.get("/oauth/jwks")

    second = client.get("/oauth/jwks", headers={"If-None-Match": first["ETag"]})

    assert first["Cache-Control"] == second["Cache-Control"] == "public, max-age=300"
    assert (second.status_code, second.content) == (304, b"")
    assert second["Access-Control-Allow-Origin"] == "*"
    create_signing_key(algorithm="EdDSA")
    third = client.get("/oauth/jwks", headers={"If-None-Match": first["ETag"]})
    assert third.status_code == 200


def test_hint_signed_with_a_stolen_key_is_nobodys(client):
    known, id_token = issue()
    assert find_hint(id_token).client_id == known.client_id
    SigningKey.objects.update(retired_at="2020-01-01T00:00:00Z")
    assert find_hint(id_token).client_id == known.client_id  # old, and still ours

    replace_compromised_keys(algorithms=["ES256"])

    assert find_hint(id_token) is None
