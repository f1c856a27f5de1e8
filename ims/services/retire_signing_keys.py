"""The end of a signing key's use."""

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from ims import keyring
from ims.audit.events import Event
from ims.models import SigningKey
from ims.services.record_audit_event import record_audit_event


def retire_signing_keys(*, keys: QuerySet[SigningKey], are_compromised: bool = False) -> int:
    """Retire those of `keys` that are not; return how many. Their private parts are erased.

    They stay published until what they signed is gone; compromised ones leave the JWKS at once.
    Processes that hold one let go of it within SIGNING_KEY_REFRESH_SECONDS.
    """
    now = timezone.now()
    standing = keys if are_compromised else keys.filter(retired_at=None)
    changes = {"compromised_at": now} if are_compromised else {}
    transaction.on_commit(keyring.forget)
    kids = list(standing.values_list("kid", flat=True))
    retired = standing.filter(kid__in=kids).update(
        retired_at=now, private_key_encrypted=b"", **changes
    )
    for kid in kids:
        record_audit_event(
            event=Event.KEY_RETIRED, detail={"kid": kid, "is_compromised": are_compromised}
        )
    return retired
