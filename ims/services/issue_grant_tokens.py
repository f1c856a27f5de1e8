"""Issue what a grant is worth (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ims.models import Client, Grant
from ims.queries import access
from ims.services.issue_access_token import issue_access_token
from ims.services.issue_id_token import issue_id_token
from ims.services.issue_refresh_token import issue_refresh_token
from wire.oauth_errors import InvalidTarget


@dataclass(frozen=True, slots=True)
class TokenSet:
    """The members of a token response; `expires_in` is in seconds."""

    access_token: str
    expires_in: int
    scopes: tuple[str, ...]
    refresh_token: str = ""
    id_token: str = ""
    # RFC 9449 §5: not empty, the access token is bound to this key and its type is DPoP.
    dpop_jkt: str = ""

    def as_document(self) -> dict[str, object]:
        """Return the JSON members; `scope` always, for it may be less than was asked."""
        document: dict[str, object] = {
            "access_token": self.access_token,
            "token_type": "DPoP" if self.dpop_jkt else "Bearer",
            "expires_in": self.expires_in,
            "scope": " ".join(self.scopes),
        }
        optional = {"refresh_token": self.refresh_token, "id_token": self.id_token}
        return document | {name: token for name, token in optional.items() if token}


def issue_grant_tokens(
    *,
    client: Client,
    grant: Grant,
    scopes: Sequence[str],
    resources: Sequence[str],
    nonce: str = "",
    dpop_jkt: str = "",
) -> TokenSet:
    """Return an access token for `scopes` of `grant`, with the refresh and ID token that go along.

    Without `resources` the token is for all of the grant's; with some of them it carries their
    scopes only (RFC 8707 §2.2). Raises InvalidTarget for a resource outside of the grant, and
    InvalidScope when the client lost every scope since.
    """
    # The registration may have lost scopes since the person allowed them.
    narrowed = access.keep_registered(client=client, scopes=scopes)
    if resources and set(resources) != set(grant.resources):
        if not set(resources) <= set(grant.resources):
            raise InvalidTarget("resource: it was not part of the authorization; ask for it there.")
        narrowed = access.narrow_scopes(scopes=narrowed, resources=resources)
    issued = issue_access_token(
        client=client,
        scopes=narrowed,
        resources=list(dict.fromkeys(resources)) or grant.resources,
        grant=grant,
        user=grant.user,
        dpop_jkt=dpop_jkt,
    )
    wants_id_token = "openid" in narrowed
    return TokenSet(
        access_token=issued.token,
        expires_in=issued.expires_in,
        scopes=narrowed,
        refresh_token=(
            issue_refresh_token(client=client, grant=grant, dpop_jkt=dpop_jkt)
            if _may_refresh(client, grant)
            else ""
        ),
        id_token=(
            issue_id_token(client=client, grant=grant, access_token=issued.token, nonce=nonce)
            if wants_id_token
            else ""
        ),
        dpop_jkt=dpop_jkt,
    )


def _may_refresh(client: Client, grant: Grant) -> bool:
    """Whether refresh tokens are issued to the client at all.

    It must be registered for them, and either the person allowed `offline_access`, or the client
    is confidential and so must prove itself at each use.
    """
    if "refresh_token" not in client.grant_types:
        return False
    return (
        "offline_access" in grant.scopes
        or client.token_endpoint_auth_method != client.AuthMethod.NONE
    )
