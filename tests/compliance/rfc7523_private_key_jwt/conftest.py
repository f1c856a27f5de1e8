import pytest

from tests.factories.identity import make_client, make_resource
from tests.factories.keys import make_key


@pytest.fixture
def key():
    return make_key(kid="one")


@pytest.fixture
def app(key):
    """A client that proves itself with `key`."""
    make_resource(scopes=["orders:read"])
    return make_key_client(key)


def make_key_client(key, **metadata):
    return make_client(
        token_endpoint_auth_method="private_key_jwt",
        metadata={"jwks": key.jwks} | metadata,
        scopes=["orders:read"],
    ).client
