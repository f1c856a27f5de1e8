"""Whether an access token is worth anything."""

from django.utils import timezone

from ims.models import AccessToken


def is_live(access_token: AccessToken) -> bool:
    """Whether the token, its grant, its client and its user all still stand; runs no statement.

    Expects client, user and grant to be selected along; what is gone was found to be None.
    """
    grant, user = access_token.grant, access_token.user
    return (
        access_token.revoked_at is None
        and access_token.expires_at > timezone.now()
        and access_token.client.disabled_at is None
        and (access_token.grant_id is None or (grant is not None and grant.revoked_at is None))
        and (access_token.user_id is None or (user is not None and user.is_active))
    )
