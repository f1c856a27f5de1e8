"""Ends what applications hold in a person's name."""

from django.db import transaction

from ims.models import Grant, User
from ims.services.revoke_grant import revoke_grant


@transaction.atomic
def end_person_access(*, user: User) -> int:
    """Revoke every grant of `user` and return how many there were; consents stay.

    Applications lose their refresh tokens and access tokens, and gateways hear of it. They get in
    again as soon as the person signs in.
    """
    grants = list(Grant.objects.filter(user=user, revoked_at=None))
    for grant in grants:
        revoke_grant(grant=grant)
    return len(grants)
