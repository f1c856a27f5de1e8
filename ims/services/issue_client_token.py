"""Issue an access token to a client for itself (RFC 6749 §4.4)."""

from collections.abc import Sequence

from ims.models import Client
from ims.queries import access
from ims.services.issue_access_token import issue_access_token
from ims.services.issue_grant_tokens import TokenSet
from wire.oauth_errors import UnauthorizedClient


def issue_client_token(
    *,
    client: Client,
    scopes: Sequence[str] = (),
    resources: Sequence[str] = (),
    dpop_jkt: str = "",
) -> TokenSet:
    """Return an access token in the client's own name, without refresh token (§4.4.3).

    Runs two statements. Raises UnauthorizedClient, InvalidScope and InvalidTarget.
    """
    if client.token_endpoint_auth_method == Client.AuthMethod.NONE:
        raise UnauthorizedClient("client_credentials needs a client that has a secret.")
    resolved = access.resolve_access(
        client=client, scopes=scopes, resources=resources, for_person=False
    )
    issued = issue_access_token(
        client=client, scopes=resolved.scopes, resources=resolved.resources, dpop_jkt=dpop_jkt
    )
    return TokenSet(
        access_token=issued.token,
        expires_in=issued.expires_in,
        scopes=resolved.scopes,
        dpop_jkt=dpop_jkt,
    )
