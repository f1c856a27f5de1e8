"""Make a key pair that signs JWTs (RFC 7517, RFC 7518 §6.2)."""

import base64
import hashlib
import json
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction
from django.utils import timezone

from ims import conf, keyring
from ims.models import SigningKey


def create_signing_key(*, activates_at: datetime | None = None) -> SigningKey:
    """Return a new P-256 key that signs from `activates_at` on (now, when not given).

    Its `kid` is the RFC 7638 thumbprint. The private part is stored encrypted under a key derived
    from SECRET_KEY. Other processes sign with it SIGNING_KEY_REFRESH_SECONDS later at most.
    """
    private_key = ec.generate_private_key(ec.SECP256R1())
    numbers = private_key.public_key().public_numbers()
    members = {
        "crv": "P-256",
        "kty": "EC",
        "x": _base64url(numbers.x.to_bytes(32)),
        "y": _base64url(numbers.y.to_bytes(32)),
    }
    # RFC 7638 §3: the required members only, in lexicographic order, without white space.
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    kid = _base64url(hashlib.sha256(canonical.encode()).digest())
    key = SigningKey.objects.create(
        kid=kid,
        algorithm=conf.SIGNING_ALGORITHM,
        private_key_encrypted=keyring.encrypt(private_key, kid=kid),
        public_jwk={**members, "kid": kid, "use": "sig", "alg": conf.SIGNING_ALGORITHM},
        activates_at=activates_at or timezone.now(),
    )
    transaction.on_commit(keyring.forget)
    return key


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
