import json
import time

import pytest
from jwcrypto.jwk import JWK

from ims.jwks import UnusableJWKS, check_jwks, choose_encryption_key
from ims.signing_algorithms import base64url


def public(**options):
    return json.loads(JWK.generate(**options).export_public())


EC = public(kty="EC", crv="P-256")


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("ECDH-ES", {"kty": "EC", "crv": "P-384"}),
        ("ECDH-ES+A256KW", {"kty": "OKP", "crv": "X25519"}),
        ("RSA-OAEP-256", {"kty": "RSA", "size": 2048}),
    ],
)
def test_fitting_key_is_chosen(algorithm, options):
    key = public(**options)

    chosen = choose_encryption_key({"keys": [EC | {"use": "sig"}, key]}, algorithm)

    assert chosen.export_public(as_dict=True).items() >= key.items()


@pytest.mark.parametrize(
    "key",
    [
        "text",
        [],
        {},
        {"kty": ["EC"]},
        {"kty": "EC", "crv": ["P-256"]},
        {"kty": "EC", "crv": "P-256", "x": 5, "y": None},
        {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        EC | {"use": "sig"},
        EC | {"alg": "ECDH-ES+A128KW"},
    ],
)
def test_unfit_key_is_passed_over(key):
    assert choose_encryption_key({"keys": [key, EC]}, "ECDH-ES").get("x") == EC["x"]
    with pytest.raises(UnusableJWKS):
        choose_encryption_key({"keys": [key]}, "ECDH-ES")


def test_document_cannot_make_us_generate_a_key():
    began = time.monotonic()

    with pytest.raises(UnusableJWKS):
        choose_encryption_key(
            {"keys": [{"kty": "RSA", "generate": "RSA", "size": 16384}]}, "RSA-OAEP-256"
        )

    assert time.monotonic() - began < 5


@pytest.mark.parametrize("bits", [1024, 9000])
def test_rsa_key_of_an_odd_size_is_passed_over(bits):
    modulus = (1 << (bits - 1)) | 1
    key = {"kty": "RSA", "e": "AQAB", "n": base64url(modulus.to_bytes((bits + 7) // 8))}

    with pytest.raises(UnusableJWKS):
        choose_encryption_key({"keys": [key]}, "RSA-OAEP-256")


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"keys": {}},
        {"keys": []},
        {"keys": ["text"]},
        {"keys": [EC] * 21},
        {"keys": [EC | {"d": "AA"}]},
        {"keys": [{"kty": "oct", "k": "AA"}]},
    ],
)
def test_what_is_no_set_of_public_keys_is_refused(document):
    with pytest.raises(UnusableJWKS):
        check_jwks(document)


def test_members_beside_the_keys_are_dropped():
    assert check_jwks({"keys": [EC], "more": "x" * 10}) == {"keys": [EC]}
