"""Make a key pair that signs JWTs (RFC 7517, RFC 7518 §6)."""

import hashlib
import json
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from ims import conf, keyring
from ims.audit.events import Event
from ims.models import SigningKey
from ims.services.record_audit_event import record_audit_event
from ims.signing_algorithms import ALGORITHMS, base64url


def create_signing_key(
    *, algorithm: str = conf.SIGNING_ALGORITHM, activates_at: datetime | None = None
) -> SigningKey:
    """Return a new key that signs from `activates_at` on (now, when not given).

    Its `kid` is the RFC 7638 thumbprint. The private part is stored encrypted under a key derived
    from SECRET_KEY. Other processes sign with it SIGNING_KEY_REFRESH_SECONDS later at most. Making
    an RSA key takes a tenth of a second and more.
    """
    signing = ALGORITHMS[algorithm]
    private_key = signing.generate()
    members = signing.describe(private_key)
    # RFC 7638 §3: the required members only, in lexicographic order, without white space.
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    kid = base64url(hashlib.sha256(canonical.encode()).digest())
    key = SigningKey.objects.create(
        kid=kid,
        algorithm=algorithm,
        private_key_encrypted=keyring.encrypt(private_key, kid=kid),
        public_jwk={**members, "kid": kid, "use": "sig", "alg": algorithm},
        activates_at=activates_at or timezone.now(),
    )
    record_audit_event(event=Event.KEY_CREATED, detail={"kid": kid, "algorithm": algorithm})
    transaction.on_commit(keyring.forget)
    return key
