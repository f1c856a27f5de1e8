"""Take a second factor from a person who lost it."""

from typing import Final

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.db import transaction

from ims.audit.events import Event
from ims.services.record_audit_event import record_audit_event

_MAILS: Final = {
    Authenticator.Type.TOTP: "mfa/email/totp_deactivated",
    Authenticator.Type.WEBAUTHN: "mfa/email/webauthn_removed",
}


@transaction.atomic
def remove_second_factor(*, authenticator: Authenticator) -> None:
    """Delete it, and recovery codes with the last one; the person is told by mail.

    The account adapter records what it tells people about; of recovery codes alone there is no
    mail.
    """
    user = authenticator.user
    authenticator.delete()
    left = Authenticator.objects.filter(user=user)
    if not left.exclude(type=Authenticator.Type.RECOVERY_CODES).exists():
        left.delete()
    mail = _MAILS.get(authenticator.type)
    if mail is not None:
        get_adapter().send_notification_mail(mail, user, {"by_administrator": True})
    else:
        record_audit_event(
            event=Event.MFA_REMOVED,
            subject=str(user.subject),
            detail={"kind": str(authenticator.type)},
        )
