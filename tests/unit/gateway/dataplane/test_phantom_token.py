import json
from base64 import urlsafe_b64encode

import pytest

from gateway.dataplane.confirmation import Confirmation
from gateway.dataplane.phantom_token import Expectations, NonsenseAnswer, read_phantom_token

EXPECTED = Expectations("https://ims.example", "https://gateway.example/orders")
CLAIMS = {
    "iss": EXPECTED.issuer,
    "aud": EXPECTED.resource,
    "sub": "ada",
    "client_id": "shop",
    "scope": "orders:read",
    "exp": 1_000_100,
}


def encode(document):
    return urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=")


def encrypt(**header):
    """Return what looks like a JWE whose key is agreed on directly: its second part is empty."""
    known = {"alg": "ECDH-ES", "enc": "A256GCM", "cty": "JWT"}
    return b".".join([encode(known | header), b"", b"aXY", b"Y2lwaGVy", b"dGFn"])


def read(jwt):
    return read_phantom_token(jwt, EXPECTED, max_age_seconds=None, unix_now=1_000_000, now=5.0)


def test_encrypted_token_is_forwarded_as_it_came():
    jwt = encrypt(**CLAIMS)

    token = read(jwt)

    assert token.authorization == b"Bearer " + jwt
    assert (token.client_id, token.subject) == ("shop", "ada")
    assert token.scopes == {"orders:read"}
    assert token.expires_at == 105.0


def test_binding_of_an_encrypted_token_is_seen():
    assert read(encrypt(**CLAIMS, cnf={"jkt": "k"})).confirmation == Confirmation(jkt="k")


@pytest.mark.parametrize(
    "changes", [{"aud": "https://other.example"}, {"iss": "https://other.example"}, {"exp": 1}]
)
def test_replicated_claims_are_checked(changes):
    with pytest.raises(NonsenseAnswer):
        read(encrypt(**(CLAIMS | changes)))


@pytest.mark.parametrize("jwt", [encrypt(), b"a.b.c.d", b".b.c.d.e", b"a..c"])
def test_token_without_readable_claims_is_nonsense(jwt):
    with pytest.raises(NonsenseAnswer):
        read(jwt)
