"""Issue a refresh token (RFC 6749 §1.5)."""

from datetime import timedelta

from django.utils import timezone

from ims import conf
from ims.models import Client, Grant, RefreshToken
from wire import bearer


def issue_refresh_token(*, client: Client, grant: Grant, dpop_jkt: str = "") -> str:
    """Return a new refresh token of the family `grant`; one INSERT, of its digest only.

    RFC 9449 §5: a public client's is bound to the key of `dpop_jkt`; a confidential client proves
    itself at each use, and may change its key.
    """
    is_public = client.token_endpoint_auth_method == client.AuthMethod.NONE
    token = bearer.mint(bearer.Prefix.REFRESH_TOKEN)
    RefreshToken.objects.create(
        digest=bearer.digest(token),
        grant=grant,
        client=client,
        dpop_jkt=dpop_jkt if is_public else "",
        expires_at=timezone.now() + timedelta(seconds=conf.REFRESH_TOKEN_TTL_SECONDS),
    )
    return token
