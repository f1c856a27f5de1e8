"""Create an administrator."""

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from ims.audit.events import Event
from ims.errors import PersonExists
from ims.models import User
from ims.services.record_audit_event import record_audit_event


def create_administrator(*, username: str, password: str, email: str) -> User:
    """Return a new superuser with a verified e-mail address.

    Raises PersonExists; an account that is there already is never raised to administrator, for it
    may be somebody else's.
    """
    try:
        with transaction.atomic():
            user = User.objects.create_superuser(
                username=username, email=email.lower(), password=password
            )
            EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
            record_audit_event(
                event=Event.PERSON_CREATED,
                subject=str(user.subject),
                detail={"role": "administrator"},
            )
    except IntegrityError as error:
        raise PersonExists(f"{username} or {email} belongs to a person already.") from error
    return user
