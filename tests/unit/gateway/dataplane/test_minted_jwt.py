"""The JWT that the gateway makes of an answer in JSON: for access tokens, and no others."""

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.dataplane.minted_jwt import JWTMint
from gateway.dataplane.phantom_token import Expectations
from tests.unit.gateway.harness import ISSUER, RESOURCE


def make(**members):
    mint = JWTMint(ec.generate_private_key(ec.SECP256R1()), "https://gateway.test")
    return mint.make(
        {"active": True, "client_id": "client-1", **members},
        Expectations(ISSUER, RESOURCE),
        max_age_seconds=None,
        unix_now=time.time(),
        now=time.monotonic(),
    )


@pytest.mark.parametrize(
    "members",
    [
        {"token_use": "refresh_token"},  # Hydra
        {"typ": "Refresh"},  # Keycloak
        {"typ": "Offline"},
        {"typ": "ID"},
        {"token_type": "refresh_token"},
        {"token_type": 5},
    ],
)
def test_active_token_that_is_no_access_token_is_not_taken(members):
    assert make(**members) is None


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"token_type": "Bearer"},
        {"token_type": "bearer", "token_use": "access_token"},
        {"token_type": "DPoP", "typ": "DPoP"},
        {"token_type": "access_token"},
        {"typ": "Bearer"},
        {"typ": "at+jwt"},
    ],
)
def test_access_token_is_taken_however_its_server_names_it(members):
    phantom = make(**members)

    assert phantom is not None
    assert phantom.client_id == "client-1"
