"""One of the places that a registration policy has for clients."""

from django.db import transaction

from ims.errors import RegistrationClosed
from ims.models import Client, RegistrationPolicy


@transaction.atomic
def take_place(*, policy: RegistrationPolicy) -> None:
    """Let one more client in; call it in the transaction that adds the client.

    The lock on the policy makes those who come at once go one by one, so that the count holds.
    Raises RegistrationClosed when the policy is switched off or its places are taken.
    """
    present = RegistrationPolicy.objects.select_for_update().get(pk=policy.pk)
    if not present.is_enabled:
        raise RegistrationClosed("Registration is switched off here; ask the administrator.")
    if present.most_clients is None:
        return
    if Client.objects.filter(policy=present, disabled_at=None).count() >= present.most_clients:
        raise RegistrationClosed("No more clients are taken here; ask the administrator.")
