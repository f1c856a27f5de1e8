"""Lock a person out."""

from django.db import transaction

from ims.models import Grant, User
from ims.services.revoke_grant import revoke_grant


@transaction.atomic
def deactivate_person(*, user: User) -> None:
    """Refuse `user` everywhere from now on and revoke every grant; sessions end by themselves.

    A session of an inactive user loads as nobody's.
    """
    user.is_active = False
    user.save(update_fields=["is_active"])
    for grant in Grant.objects.filter(user=user, revoked_at=None):
        revoke_grant(grant=grant)
