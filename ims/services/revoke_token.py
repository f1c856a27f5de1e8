"""Revocation of a token by the client that holds it (RFC 7009 §2.1)."""

from django.db import transaction

from ims.audit.events import Event
from ims.models import AccessToken, Client, RefreshToken
from ims.services.record_audit_event import record_audit_event
from ims.services.revoke_access_token import revoke_access_token
from ims.services.revoke_grant import revoke_grant
from wire import bearer
from wire.oauth_errors import InvalidGrant


@transaction.atomic
def revoke_token(*, token: str, client: Client) -> None:
    """End `token` if it is an access or refresh token; an unknown one is no error (§2.2).

    A refresh token takes its whole grant with it, the access tokens too (§2.1 SHOULD), even when it
    has a successor: whoever holds an old one and wants out gets out. Raises InvalidGrant, and
    changes nothing, when the token is another client's (§2.1: "the request is refused and the
    client is informed"; RFC 6749 §5.2 has this code for what "was issued to another client").
    """
    if bearer.is_well_formed(token, bearer.Prefix.ACCESS_TOKEN):
        access_token = AccessToken.objects.filter(digest=bearer.digest(token)).first()
        if access_token is not None:
            _check_owner(access_token, client)
            revoke_access_token(access_token=access_token)
            _record(access_token, client)
    elif bearer.is_well_formed(token, bearer.Prefix.REFRESH_TOKEN):
        refresh_tokens = RefreshToken.objects.select_related("grant")
        refresh_token = refresh_tokens.filter(digest=bearer.digest(token)).first()
        if refresh_token is not None:
            _check_owner(refresh_token, client)
            revoke_grant(grant=refresh_token.grant)
            _record(refresh_token, client)


def _record(token: AccessToken | RefreshToken, client: Client) -> None:
    user = token.grant.user if token.grant is not None else None
    kind = "access_token" if isinstance(token, AccessToken) else "refresh_token"
    record_audit_event(
        event=Event.TOKEN_REVOKED,
        client_id=client.client_id,
        subject=str(user.subject) if user is not None else "",
        detail={"token": bytes(token.digest)[:8].hex(), "kind": kind},
    )


def _check_owner(token: AccessToken | RefreshToken, client: Client) -> None:
    if token.client_id != client.pk:
        raise InvalidGrant(
            "token: it was issued to another client.",
            detail=f"client {client.client_id} tried to revoke another client's token",
        )
