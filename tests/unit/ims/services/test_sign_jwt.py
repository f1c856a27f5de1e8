import jwt
import pytest

from ims.services.ensure_signing_key import ensure_signing_key
from ims.services.sign_jwt import sign_jwt

pytestmark = pytest.mark.django_db


def test_signature_verifies_with_the_published_key():
    key = ensure_signing_key()

    token = sign_jwt(claims={"sub": "42"}, typ="at+jwt")

    public = jwt.PyJWK(key.public_jwk)
    assert jwt.decode(token, public.key, algorithms=["ES256"]) == {"sub": "42"}
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": key.kid, "typ": "at+jwt"}


def test_ensuring_twice_makes_one_key():
    assert ensure_signing_key() == ensure_signing_key()
