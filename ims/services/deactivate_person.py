"""Lock a person out."""

from allauth.usersessions.models import UserSession
from django.db import transaction

from ims.audit.events import Event
from ims.models import User
from ims.services.end_person_access import end_person_access
from ims.services.record_audit_event import record_audit_event


@transaction.atomic
def deactivate_person(*, user: User) -> None:
    """Refuse `user` everywhere from now on; end their sessions and what applications hold.

    None of it comes back when the person is activated again.
    """
    user.is_active = False
    user.save(update_fields=["is_active"])
    for session in UserSession.objects.filter(user=user):
        session.end()
    revoked = end_person_access(user=user)
    record_audit_event(
        event=Event.PERSON_DEACTIVATED,
        subject=str(user.subject),
        detail={"grants_revoked": revoked},
    )
