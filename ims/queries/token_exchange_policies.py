"""RFC 8693: what the policies let a client make of a subject token."""

from collections.abc import Sequence
from dataclasses import dataclass

from ims import conf
from ims.models import AccessToken, Client, ResourceScope, TokenExchangePolicy
from ims.queries import access
from wire.oauth_errors import (
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    OAuthError,
    UnauthorizedClient,
)


@dataclass(frozen=True, slots=True)
class ExchangeAccess:
    """What the new token is for, and whether it tells who acts."""

    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    is_delegation: bool


def list_policies(client: Client) -> list[TokenExchangePolicy]:
    """Return the policies of the acting client. Raises UnauthorizedClient when it has none."""
    policies = list(TokenExchangePolicy.objects.filter(client=client).order_by("pk"))
    if not policies:
        raise UnauthorizedClient("No policy lets this client exchange tokens.")
    return policies


def resolve_exchange(
    *,
    policies: Sequence[TokenExchangePolicy],
    client: Client,
    subject: AccessToken,
    has_actor_token: bool,
    scopes: Sequence[str],
    targets: Sequence[str],
) -> ExchangeAccess:
    """Return what `client` gets for `subject`: less than that is worth, and within one policy.

    With an actor token it is delegation. Without one it is impersonation where a policy allows
    that, and delegation to the client itself elsewhere. Runs a statement or more for each policy.
    Raises InvalidRequest for a subject token of a client that no policy names, UnauthorizedClient
    for a way of acting that none allows, InvalidTarget and InvalidScope for what is not in reach.
    """
    fitting = [policy for policy in policies if _names(policy, subject.client)]
    if not fitting:
        raise InvalidRequest("subject_token: no policy lets this client exchange it.")
    ways = [(policy, False) for policy in fitting if policy.may_impersonate and not has_actor_token]
    ways += [(policy, True) for policy in fitting if policy.may_delegate]
    refusal: OAuthError = UnauthorizedClient(
        "No policy lets this client act for the subject in this way."
    )
    for number, (policy, is_delegation) in enumerate(ways):
        try:
            reach = _cut(policy, client, subject, scopes=scopes, targets=targets)
        except OAuthError as error:
            # Of several, the first policy's words: it is the one that was meant, most likely.
            refusal = error if number == 0 else refusal
        else:
            return ExchangeAccess(*reach, is_delegation=is_delegation)
    raise refusal


def _names(policy: TokenExchangePolicy, subject_client: Client) -> bool:
    return policy.subject_clients.filter(pk=subject_client.pk).exists()


def _cut(
    policy: TokenExchangePolicy,
    client: Client,
    subject: AccessToken,
    *,
    scopes: Sequence[str],
    targets: Sequence[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    resources = _cut_resources(policy, subject, targets)
    offers = _list_offers(resources)
    open_to_client = {*policy.scopes} & {*(client.scopes or policy.scopes)}
    within = [name for name in subject.scopes if name in open_to_client and _may_pass(name)]
    for name in scopes:
        if name not in within:
            raise InvalidScope(
                f"scope: {name} is not in the subject token, or not open to this client by policy."
            )
    offered = {name for names in offers.values() for name in names} | {*conf.OPENID_SCOPES}
    kept = tuple(name for name in dict.fromkeys(scopes or within) if name in offered)
    if not kept or (scopes and len(kept) < len(set(scopes))):
        raise InvalidScope("scope: none is left that the resources offer; ask for others.")
    # Without a choice of its own the client gets no resource that offers nothing it got.
    met = [resource for resource in resources if targets or offers[resource] & set(kept)]
    return kept, tuple(met)


def _cut_resources(
    policy: TokenExchangePolicy, subject: AccessToken, targets: Sequence[str]
) -> list[str]:
    within = [
        resource
        for resource in subject.resources
        if resource in policy.resources and not access.is_reserved(scope="", resource=resource)
    ]
    for target in targets:
        if target not in within:
            raise InvalidTarget(
                "resource: one is not among the subject token's, or not open to this client by "
                "policy."
            )
    if subject.resources and not within:
        raise InvalidTarget("resource: none of the subject token's is open to this client.")
    return list(targets) or within


def _list_offers(resources: Sequence[str]) -> dict[str, set[str]]:
    rows = ResourceScope.objects.filter(protected_resource__resource__in=resources)
    offers: dict[str, set[str]] = {resource: set() for resource in resources}
    for resource, name in rows.values_list("protected_resource__resource", "name"):
        offers[resource].add(name)
    return offers


def _may_pass(scope: str) -> bool:
    """Whether anybody may pass `scope` on: the platform's own stay, and so does being away."""
    return not access.is_reserved(scope=scope, resource="") and scope != "offline_access"
