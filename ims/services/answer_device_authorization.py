"""Take a person's answer to a device's request (RFC 8628 §3.3)."""

from django.db import transaction
from django.utils import timezone

from ims.audit.events import Event, Outcome
from ims.authorization.authentication import Authentication
from ims.models import DeviceAuthorization, Grant
from ims.services.record_audit_event import record_audit_event
from ims.services.record_consent import record_consent
from wire.oauth_errors import UnsafeRedirect


@transaction.atomic
def answer_device_authorization(
    *, request: DeviceAuthorization, authentication: Authentication, is_allowed: bool
) -> None:
    """Let the device have its grant, or keep it from ever getting one.

    The first answer counts: the row is locked, so two people who typed the same code cannot both
    give one. What is allowed is remembered like the answer to any consent page. Raises
    UnsafeRedirect when the request was answered or has expired meanwhile.
    """
    locked = (
        DeviceAuthorization.objects.select_for_update(of=("self",))
        .select_related("client")
        .get(pk=request.pk)
    )
    now = timezone.now()
    is_open = locked.grant_id is None and locked.denied_at is None and locked.expires_at > now
    if not is_open or locked.client.disabled_at is not None:
        raise UnsafeRedirect("This code was used before or has expired. Start again on the device.")
    if is_allowed:
        locked.grant = _create_grant(locked, authentication)
    else:
        locked.denied_at = now
    locked.save(update_fields=["grant", "denied_at"])
    record_audit_event(
        event=Event.DEVICE_AUTHORIZED if is_allowed else Event.DEVICE_REFUSED,
        outcome=Outcome.SUCCESS,
        client_id=locked.client.client_id,
        subject=str(authentication.user.subject),
        detail={"scopes": locked.scopes, "resources": locked.resources},
    )


def _create_grant(request: DeviceAuthorization, authentication: Authentication) -> Grant:
    record_consent(
        user=authentication.user,
        client=request.client,
        scopes=request.scopes,
        resources=request.resources,
    )
    return Grant.objects.create(
        client=request.client,
        user=authentication.user,
        scopes=request.scopes,
        resources=request.resources,
        authenticated_at=authentication.at,
        acr=authentication.acr,
        amr=list(authentication.amr),
    )
