"""A client that is part of the service itself."""

from django.db import transaction

from ims.audit.events import Event
from ims.models import Client
from ims.services.record_audit_event import record_audit_event


@transaction.atomic
def trust_client(*, client_id: str) -> bool:
    """Spare people the consent page of a client that was registered; whether there is such a one.

    Never one that is known by its document alone: whoever owns a web page can have that.
    """
    registered = Client.objects.select_for_update().filter(
        client_id=client_id, registration_source=Client.RegistrationSource.DCR
    )
    if not registered.update(is_first_party=True):
        return False
    record_audit_event(
        event=Event.CLIENT_UPDATED, client_id=client_id, detail={"is_first_party": True}
    )
    return True
