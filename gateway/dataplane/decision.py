"""What a token may do at an operation, worked out once per token and operation."""

import time
from dataclasses import dataclass
from typing import Final

from gateway.dataplane.allowance import Allowance
from gateway.dataplane.allowances import Addressed
from gateway.dataplane.configuration import Configuration
from gateway.dataplane.cors import CORSPolicy
from gateway.dataplane.entitlements import Entitlement
from gateway.dataplane.errors import (
    BoundTokenNeeded,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidToken,
    NotSubscribed,
)
from gateway.dataplane.phantom_token import PhantomToken
from gateway.dataplane.routing import Route
from gateway.dataplane.upstreams import Client
from gateway.dataplane.usage_journal import MeterKey

_MOST_DECISIONS: Final = 64


@dataclass(frozen=True, slots=True)
class Decision:
    """The call may go on: under this subscription, to this upstream."""

    entitlement: Entitlement
    allowance: Allowance | None
    addressed: Addressed | None  # instead of it, where a limit counts addresses
    meter_key: MeterKey
    client: Client
    path_prefix: bytes
    total_timeout_seconds: float  # from the request to the answer's last byte; 0: no limit
    cors: CORSPolicy | None = None


def decide(configuration: Configuration, route: Route, phantom: PhantomToken) -> Decision:
    """Return the decision, from the token's own memory when it was made before.

    Raises InsufficientScope (RFC 6750 §3.1), InsufficientAuthentication (RFC 9470 §3),
    BoundTokenNeeded, InvalidToken and NotSubscribed. Refusals are not remembered: a client that
    subscribes is let in with the next snapshot. Neither is what holds for a time only: an
    authentication that must not be old is looked at in each call.
    """
    if phantom.decided_for is not configuration:
        _keep_what_holds(configuration, phantom)
    decision: Decision | None = phantom.decisions.get(route)
    if decision is None:
        decision = _work_out(configuration, route, phantom)
        if route.max_auth_age_seconds is None:
            if len(phantom.decisions) >= _MOST_DECISIONS:
                phantom.decisions.clear()  # a token's entry in the cache must stay small
            phantom.decisions[route] = decision
    return decision


def _keep_what_holds(configuration: Configuration, phantom: PhantomToken) -> None:
    """Forget what another configuration decides otherwise.

    A decision is made of its route (the API), its entitlement (subscription and plan) and its
    client (the upstream) alone. These are the same objects as long as their rows are the same.
    """
    if phantom.decisions:
        phantom.decisions = {
            route: decision
            for route, decision in phantom.decisions.items()
            if _holds(configuration, route, decision, phantom)
        }
    phantom.decided_for = configuration


def _holds(
    configuration: Configuration, route: Route, decision: Decision, phantom: PhantomToken
) -> bool:
    api_id = route.api.id
    return (
        configuration.router.has(route)
        and configuration.clients.get(api_id) is decision.client
        and configuration.entitlements.find(phantom.client_id, api_id) is decision.entitlement
        and _is_accepted(configuration, route, phantom)
    )


def _is_accepted(configuration: Configuration, route: Route, phantom: PhantomToken) -> bool:
    """Whether the API takes tokens of whoever made this one."""
    issuer = phantom.issuer
    return issuer is None or issuer in configuration.access.issuers.get(route.api.id, ())


def _work_out(configuration: Configuration, route: Route, phantom: PhantomToken) -> Decision:
    if not _is_accepted(configuration, route, phantom):
        raise InvalidToken("This API does not take tokens of that issuer.")
    if route.api.requires_bound_tokens and phantom.confirmation is None:
        raise BoundTokenNeeded("This API takes tokens only that are bound to a key of the client.")
    _check_authentication(route, phantom)
    if not route.scopes <= phantom.scopes:
        raise InsufficientScope(
            f"This operation needs the scope {route.scope_text}.", route.scope_text
        )
    entitlement = configuration.entitlements.find(phantom.client_id, route.api.id)
    if entitlement is None:
        raise NotSubscribed(
            f"Subscribe the application to a plan of {route.api.name!r} in the developer portal."
        )
    client = configuration.clients[route.api.id]
    operation = f"{route.api.id}/{route.operation.id}"
    limits = entitlement.allowance(phantom.subject, operation)
    return Decision(
        entitlement=entitlement,
        allowance=None if isinstance(limits, Addressed) else limits,
        addressed=limits if isinstance(limits, Addressed) else None,
        meter_key=entitlement.meter_key(route.api.id, route.operation.id),
        client=client,
        path_prefix=client.path_prefix,
        total_timeout_seconds=configuration.total_timeouts[route.api.id],
        cors=configuration.access.cors.get(route.api.id),
    )


def _check_authentication(route: Route, phantom: PhantomToken) -> None:
    """RFC 9470 §3; a token without a user, or that does not tell, has not signed in so."""
    if route.acr_values and phantom.acr not in route.acr_values:
        detail = f"This operation needs an authentication of {' or '.join(route.acr_values)}."
    elif route.max_auth_age_seconds is not None and not _is_fresh(route, phantom):
        detail = f"The user must have signed in at most {route.max_auth_age_seconds} seconds ago."
    else:
        return
    raise InsufficientAuthentication(
        detail,
        acr_values=" ".join(route.acr_values),
        max_age_seconds=route.max_auth_age_seconds,
    )


def _is_fresh(route: Route, phantom: PhantomToken) -> bool:
    most = route.max_auth_age_seconds
    if most is None or phantom.auth_time is None:
        return most is None
    return time.time() - phantom.auth_time <= most
