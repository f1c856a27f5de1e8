"""The answer to a stolen signing key."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from ims.audit.events import Event
from ims.models import SigningKey
from ims.services.create_signing_key import create_signing_key
from ims.services.flush_exchanged_tokens import flush_exchanged_tokens
from ims.services.lock_signing_keys import lock_signing_keys
from ims.services.record_audit_event import record_audit_event
from ims.services.retire_signing_keys import retire_signing_keys


@transaction.atomic
def replace_compromised_keys(*, algorithms: Sequence[str]) -> list[SigningKey]:
    """Return the new keys of `algorithms`; all they had, announced ones too, are worth nothing.

    The old keys leave the JWKS at once, the new ones sign at once, and gateways drop the JWTs they
    hold. Access and refresh tokens are opaque and stay good. A process may sign with an old key for
    SIGNING_KEY_REFRESH_SECONDS more: flush again after that. An API believes an old key until it
    reads the JWKS again, JWKS_MAX_AGE_SECONDS when it keeps to what the JWKS says.
    """
    lock_signing_keys()
    now = timezone.now()
    # Those retired long ago as well: whoever has read the one may have read the others.
    stolen = SigningKey.objects.filter(algorithm__in=algorithms, compromised_at=None)
    in_use = list(stolen.filter(retired_at=None).values_list("algorithm", flat=True).distinct())
    retire_signing_keys(keys=stolen, are_compromised=True)
    flush_exchanged_tokens()
    record_audit_event(event=Event.KEY_ROTATED, detail={"compromised": sorted(in_use)})
    return [create_signing_key(algorithm=name, activates_at=now) for name in sorted(in_use)]
