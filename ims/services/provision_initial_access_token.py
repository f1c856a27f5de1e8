"""Permission to register clients (RFC 7591 §1.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from ims.audit.events import Event
from ims.models import InitialAccessToken, RegistrationPolicy
from ims.services.record_audit_event import record_audit_event
from wire import bearer


@dataclass(frozen=True, slots=True)
class ProvisionedToken:
    """The only moment at which the token itself is known."""

    token: str = field(repr=False)
    record: InitialAccessToken


@transaction.atomic
def provision_initial_access_token(
    *,
    label: str,
    grant_types: Sequence[str],
    scopes: Sequence[str] = (),
    uses_left: int | None = None,
    expires_at: datetime | None = None,
    policy: RegistrationPolicy | None = None,
) -> ProvisionedToken:
    """Return a new initial access token; only its digest is stored.

    Empty `scopes`: every scope but the reserved ones. None for uses and end: no limit.
    """
    token = bearer.mint(bearer.Prefix.INITIAL_ACCESS_TOKEN)
    record = InitialAccessToken.objects.create(
        digest=bearer.digest(token),
        label=label,
        allowed_grant_types=list(grant_types),
        allowed_scopes=list(scopes),
        uses_left=uses_left,
        expires_at=expires_at,
        policy=policy,
    )
    record_audit_event(event=Event.INITIAL_ACCESS_TOKEN_MADE, detail={"label": label})
    return ProvisionedToken(token, record)
