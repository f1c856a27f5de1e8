"""Create a person whose e-mail address needs no verification any more."""

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction

from ims.audit.events import Event
from ims.errors import PersonExists
from ims.models import User
from ims.services.record_audit_event import record_audit_event
from ims.usernames import propose_username


def create_person(*, email: str, password: str, name: str = "") -> User:
    """Return a new person who can sign in with `email`. Raises PersonExists."""
    given_name, _, family_name = name.strip().rpartition(" ")
    if not given_name:
        given_name, family_name = family_name, ""
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                username=propose_username(email),
                email=email.lower(),
                password=password,
                first_name=given_name,
                last_name=family_name,
            )
            EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
            record_audit_event(
                event=Event.PERSON_CREATED,
                subject=str(user.subject),
                detail={"role": "person"},
            )
    except IntegrityError as error:
        raise PersonExists(f"{email} belongs to a person already.") from error
    return user
