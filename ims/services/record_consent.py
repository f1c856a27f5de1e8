"""Remember that a person allowed an application."""

from collections.abc import Iterable

from django.db import transaction

from ims.audit.events import Event
from ims.models import Client, Consent, User
from ims.services.record_audit_event import record_audit_event


@transaction.atomic
def record_consent(
    *, user: User, client: Client, scopes: Iterable[str], resources: Iterable[str]
) -> Consent:
    """Return the consent with `scopes` added to what was allowed at the same `resources` before.

    The lock on the person keeps two answers at once from losing one of them.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    at = sorted(set(resources))
    known = Consent.objects.filter(user=user, client=client, resources=at).first()
    consent = known or Consent(user=user, client=client, resources=at)
    consent.scopes = sorted({*consent.scopes, *scopes})
    consent.save()
    record_audit_event(
        event=Event.CONSENT_GIVEN,
        client_id=client.client_id,
        subject=str(user.subject),
        detail={"scopes": consent.scopes, "resources": at},
    )
    return consent
