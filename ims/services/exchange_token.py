"""Exchange an access token for one that another client acts with (RFC 8693)."""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from ims import conf
from ims.audit import context
from ims.checks.token_exchange_request import ACCESS_TOKEN_TYPE, TokenExchangeRequest
from ims.derivation import Derivation
from ims.models import AccessToken, Client, Grant
from ims.queries import token_exchange_policies
from ims.queries.live_tokens import is_live
from ims.services import lock_client_tokens
from ims.services.issue_access_token import issue_access_token
from ims.services.issue_grant_tokens import TokenSet
from wire import bearer
from wire.oauth_errors import InvalidRequest, UnauthorizedClient

# Actors of actors: past this nobody can answer for the chain any more.
_LONGEST_CHAIN: Final = 4


@transaction.atomic
def exchange_token(
    *, client: Client, request: TokenExchangeRequest, dpop_jkt: str = ""
) -> TokenSet:
    """Return an access token with which `client` acts for the subject of another access token.

    It is worth less than the subject token or as much, never more: its scopes, resources and
    lifetime are cut from it, and by the client's TokenExchangePolicy. It belongs to the subject's
    grant, and ends with the grant and with the subject token. There is no refresh token. Raises
    InvalidRequest (also for a token that is not alive: RFC 8693 §2.2.2), UnauthorizedClient,
    InvalidTarget and InvalidScope.
    """
    if client.token_endpoint_auth_method == Client.AuthMethod.NONE:
        raise UnauthorizedClient("Token exchange needs a client that can prove itself.")
    policies = token_exchange_policies.list_policies(client)
    subject = _lock_subject_token(client, request.subject_token, dpop_jkt)
    actor = _find_actor_token(client, request.actor_token, dpop_jkt)
    reach = token_exchange_policies.resolve_exchange(
        policies=policies,
        client=client,
        subject=subject,
        has_actor_token=actor is not None,
        scopes=request.scopes,
        targets=request.targets,
    )
    acting = _subject_of(actor) if actor else client.client_id
    _check_may_act(subject, acting)
    context.note(exchanged_for=bytes(subject.digest)[:8].hex(), acting=acting)
    issued = issue_access_token(
        client=client,
        scopes=reach.scopes,
        resources=reach.resources,
        grant=subject.grant,
        user=subject.user,
        ttl_seconds=_cut_lifetime(subject.expires_at),
        dpop_jkt=dpop_jkt,
        derivation=Derivation(
            parent_digest=bytes(subject.digest),
            subject=_subject_of(subject),
            actor=_describe_actor(subject, acting) if reach.is_delegation else subject.actor,
        ),
    )
    return TokenSet(
        access_token=issued.token,
        expires_in=issued.expires_in,
        scopes=reach.scopes,
        dpop_jkt=dpop_jkt,
        issued_token_type=ACCESS_TOKEN_TYPE,
    )


def _lock_subject_token(client: Client, token: str, dpop_jkt: str) -> AccessToken:
    """Return the live subject token; its row, and what revocation locks before it, are locked.

    In the order of revoke_grant and revoke_client_tokens, so that no two wait for each other.
    """
    found = _find(token, "subject_token")
    if found.grant_id is not None:
        Grant.objects.select_for_update(no_key=True).filter(pk=found.grant_id).first()
    else:
        with connection.cursor() as cursor:
            cursor.execute(lock_client_tokens.SHARED, lock_client_tokens.list_keys(client))
    AccessToken.objects.select_for_update().filter(digest=found.digest).first()
    subject = _find(token, "subject_token")
    _check_key(subject, "subject_token", dpop_jkt)
    return subject


def _find_actor_token(client: Client, token: str, dpop_jkt: str) -> AccessToken | None:
    """Return the live token of the acting party, which the acting client must have got itself."""
    if not token:
        return None
    actor = _find(token, "actor_token")
    _check_key(actor, "actor_token", dpop_jkt)
    if actor.client_id != client.pk:
        raise InvalidRequest("actor_token: send one that was issued to this client.")
    if actor.actor is not None or actor.parent_digest is not None:
        raise InvalidRequest("actor_token: one that was exchanged itself says too little.")
    return actor


def _find(token: str, parameter: str) -> AccessToken:
    found = None
    if bearer.is_well_formed(token, bearer.Prefix.ACCESS_TOKEN):
        found = (
            AccessToken.objects.select_related("client", "user", "grant")
            .filter(digest=bearer.digest(token))
            .first()
        )
    if found is None or not is_live(found):
        raise InvalidRequest(f"{parameter}: it is no live access token of this service.")
    return found


def _check_key(token: AccessToken, parameter: str, dpop_jkt: str) -> None:
    """RFC 9449: who cannot show the key of a bound token holds nothing to exchange."""
    if token.dpop_jkt and not hmac.compare_digest(token.dpop_jkt, dpop_jkt):
        raise InvalidRequest(f"{parameter}: it is bound to a DPoP key; send a proof with that key.")


def _check_may_act(subject: AccessToken, acting: str) -> None:
    """RFC 8693 §4.4: where the subject's grant names who may act, nobody else may."""
    named = None if subject.grant is None else subject.grant.may_act
    if named is not None and acting not in named:
        raise InvalidRequest("subject_token: its may_act names other actors.")


def _subject_of(token: AccessToken) -> str:
    if token.user is not None:
        return str(token.user.subject)
    return token.subject or str(token.client.client_id)


def _describe_actor(subject: AccessToken, acting: str) -> Mapping[str, object]:
    """Return the `act` claim: who acts now, around those who acted before (RFC 8693 §4.1)."""
    if _count_actors(subject.actor) >= _LONGEST_CHAIN:
        raise InvalidRequest("subject_token: too many have acted for its subject already.")
    earlier = {} if subject.actor is None else {"act": subject.actor}
    return {"sub": acting, **earlier}


def _count_actors(actor: object) -> int:
    count = 0
    while isinstance(actor, dict):
        count, actor = count + 1, actor.get("act")
    return count


def _cut_lifetime(end: datetime) -> int:
    """Return the new token's seconds, rounded down: it never outlives the subject token."""
    left = int((end - timezone.now()).total_seconds()) - 1
    if left < 1:
        raise InvalidRequest("subject_token: it is about to expire.")
    return min(left, conf.ACCESS_TOKEN_TTL_SECONDS)
