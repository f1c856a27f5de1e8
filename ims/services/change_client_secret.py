"""What an administrator may still say of a secret: its label, and a sooner end."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from ims.audit.events import Event
from ims.errors import SecretEndFixed
from ims.models import ClientSecret
from ims.services.record_audit_event import record_audit_event


@transaction.atomic
def change_client_secret(*, secret_id: int, label: str, expires_at: datetime | None) -> None:
    """Label the secret and let it end at `expires_at`; one that has gone meanwhile stays gone.

    Raises SecretEndFixed where that would make it live on after its end, or end in the past.
    """
    secret = ClientSecret.objects.select_for_update().filter(pk=secret_id).first()
    if secret is None:
        return
    check_secret_end(secret=secret, expires_at=expires_at)
    secret.label = label
    secret.expires_at = expires_at
    secret.save(update_fields=["label", "expires_at"])
    record_audit_event(
        event=Event.SECRET_ROTATED,
        client_id=secret.client.client_id,
        detail={
            "changed": bytes(secret.digest)[:8].hex(),
            "label": label,
            "expires_at": None if expires_at is None else expires_at.isoformat(),
        },
    )


def check_secret_end(*, secret: ClientSecret, expires_at: datetime | None) -> None:
    """Raise SecretEndFixed unless `secret` may end at `expires_at`; None: never."""
    now, fixed = timezone.now(), secret.expires_at
    if expires_at == fixed and (fixed is None or fixed > now):
        return
    if fixed is not None and fixed <= now:
        raise SecretEndFixed("This secret has ended; make a new one.")
    if fixed is not None and (expires_at is None or expires_at > fixed):
        raise SecretEndFixed("A secret can end sooner than planned, never later; make a new one.")
    if expires_at is not None and expires_at <= now:
        raise SecretEndFixed("Choose a moment to come; delete the secret to end it now.")
