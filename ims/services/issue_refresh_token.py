"""Issue a refresh token (RFC 6749 §1.5)."""

from datetime import timedelta

from django.utils import timezone

from ims import conf
from ims.models import Client, Grant, RefreshToken
from wire import bearer


def issue_refresh_token(*, client: Client, grant: Grant) -> str:
    """Return a new refresh token of the family `grant`; one INSERT, of its digest only."""
    token = bearer.mint(bearer.Prefix.REFRESH_TOKEN)
    RefreshToken.objects.create(
        digest=bearer.digest(token),
        grant=grant,
        client=client,
        expires_at=timezone.now() + timedelta(seconds=conf.REFRESH_TOKEN_TTL_SECONDS),
    )
    return token
