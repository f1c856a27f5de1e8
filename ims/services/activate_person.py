"""Let a person in again."""

from django.db import transaction

from ims.audit.events import Event
from ims.models import User
from ims.services.record_audit_event import record_audit_event


@transaction.atomic
def activate_person(*, user: User) -> bool:
    """Let `user` sign in again and return True; False where they could. What ended stays ended."""
    if not User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        return False
    record_audit_event(event=Event.PERSON_ACTIVATED, subject=str(user.subject))
    return True
