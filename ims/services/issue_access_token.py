"""Issue an opaque access token (RFC 6749 §1.4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from ims import conf
from ims.models import AccessToken, Client, Grant, User
from wire import bearer


@dataclass(frozen=True, slots=True)
class IssuedAccessToken:
    """The only moment at which the token itself is known; `expires_in` is in seconds."""

    token: str
    record: AccessToken
    expires_in: int


def issue_access_token(
    *,
    client: Client,
    scopes: Sequence[str],
    resources: Sequence[str],
    grant: Grant | None = None,
    user: User | None = None,
    ttl_seconds: int | None = None,
    dpop_jkt: str = "",
    actor: Mapping[str, object] | None = None,
) -> IssuedAccessToken:
    """Return a new token for `resources` (RFC 8707 identifiers); one INSERT, of its digest only.

    The caller has checked that the client may have the scopes at the resources. `dpop_jkt` binds
    the token to a key (RFC 9449 §6.1); `actor` is its `act` claim (RFC 8693 §4.1).
    """
    expires_in = conf.ACCESS_TOKEN_TTL_SECONDS if ttl_seconds is None else ttl_seconds
    token = bearer.mint(bearer.Prefix.ACCESS_TOKEN)
    now = timezone.now()
    record = AccessToken.objects.create(
        digest=bearer.digest(token),
        client=client,
        grant=grant,
        user=user,
        scopes=list(scopes),
        resources=list(resources),
        dpop_jkt=dpop_jkt,
        actor=actor,
        issued_at=now,
        expires_at=now + timedelta(seconds=expires_in),
    )
    return IssuedAccessToken(token=token, record=record, expires_in=expires_in)
