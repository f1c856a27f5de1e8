"""Issue what a grant is worth (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from ims.models import Client
from ims.queries import access, claims
from ims.queries.spendable import Row, Spendable, grant_of
from ims.services.issue_access_token import issue_access_token
from ims.services.issue_id_token import issue_id_token
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
    # RFC 8693 §2.2.1; empty: the answer is not to a token exchange.
    issued_token_type: str = ""

    def as_document(self) -> dict[str, object]:
        """Return the JSON members; `scope` always, for it may be less than was asked."""
        document: dict[str, object] = {
            "access_token": self.access_token,
            "token_type": "DPoP" if self.dpop_jkt else "Bearer",
            "expires_in": self.expires_in,
            "scope": " ".join(self.scopes),
        }
        optional = {
            "refresh_token": self.refresh_token,
            "id_token": self.id_token,
            "issued_token_type": self.issued_token_type,
        }
        return document | {name: token for name, token in optional.items() if token}


def issue_grant_tokens(
    *,
    client: Client,
    spent: Spendable[Row],
    scopes: Sequence[str],
    resources: Sequence[str],
    refresh_token: str = "",
    nonce: str = "",
    dpop_jkt: str = "",
) -> TokenSet:
    """Return an access token for `scopes` of the grant of `spent`, and what goes along.

    That is `refresh_token`, and an ID token for the scope `openid`. Without `resources` the access
    token is for all of the grant's; with some of them (`spent` was locked for the same ones) it
    carries only what they offer (RFC 8707 §2.2). Runs one INSERT. Raises InvalidTarget for a
    resource outside of the grant, and InvalidScope when the client lost every scope since.
    """
    grant = grant_of(spent)
    # The registration may have lost scopes since the person allowed them.
    narrowed = access.keep_registered(client=client, scopes=scopes)
    if not set(resources) <= set(grant.resources):
        raise InvalidTarget("resource: it was not part of the authorization; ask for it there.")
    if set(resources) not in (set(), set(grant.resources)):
        narrowed = access.narrow_scopes(scopes=narrowed, offered=spent.offered_scopes)
    issued = issue_access_token(
        client=client,
        scopes=narrowed,
        resources=list(dict.fromkeys(resources)) or grant.resources,
        grant=grant,
        user=grant.user,
        dpop_jkt=dpop_jkt,
    )
    id_token = ""
    if "openid" in narrowed:
        id_token = issue_id_token(
            client=client,
            grant=grant,
            access_token=issued.token,
            nonce=nonce,
            claims=claims.list_id_token_claims(
                grant=grant, scopes=narrowed, is_email_verified=spent.is_email_verified
            ),
        )
    return TokenSet(
        access_token=issued.token,
        expires_in=issued.expires_in,
        scopes=narrowed,
        refresh_token=refresh_token,
        id_token=id_token,
        dpop_jkt=dpop_jkt,
    )
