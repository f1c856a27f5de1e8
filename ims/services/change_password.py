"""A new password for a person."""

from allauth.usersessions.models import UserSession
from django.db import transaction

from ims.audit.events import Event
from ims.models import User
from ims.services.end_person_access import end_person_access
from ims.services.record_audit_event import record_audit_event


@transaction.atomic
def change_password(
    *, user: User, password: str | None, event: Event, kept_session_key: str | None = None
) -> None:
    """Set the password, end every session but `kept_session_key`, and what applications hold.

    Whoever knew the old password may be signed in elsewhere and may have let an application in:
    neither outlives it. Applications ask again at the next sign-in, and need no new consent.
    Without a password nobody signs in by one.
    """
    user.set_password(password)
    user.save()
    sessions = UserSession.objects.filter(user=user).exclude(session_key=kept_session_key)
    ended = list(sessions)
    for session in ended:
        session.end()
    revoked = end_person_access(user=user)
    record_audit_event(
        event=event,
        subject=str(user.subject),
        detail={"sessions_ended": len(ended), "grants_revoked": revoked},
    )
