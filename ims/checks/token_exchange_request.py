"""RFC 8693 §2.1: the parameters of a token exchange."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from django.http import QueryDict

from wire.oauth_errors import InvalidRequest

ACCESS_TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type


@dataclass(frozen=True, slots=True)
class TokenExchangeRequest:
    """What a client asks for; `targets` are the resource identifiers of `resource` and `audience`.

    `actor_token` is empty where the client itself is the actor.
    """

    subject_token: str = field(repr=False)
    actor_token: str = field(repr=False)
    scopes: Sequence[str]
    targets: Sequence[str]


def parse_token_exchange_request(form: QueryDict) -> TokenExchangeRequest:
    """Return the request in `form`. Raises InvalidRequest.

    Access tokens in, access tokens out: an ID token tells one client who signed in, and a refresh
    token is nobody's but its client's; neither is a permission to be passed on. An `audience` is
    the identifier of a protected resource like a `resource`: the registry knows no other names.
    """
    subject_token = form.get("subject_token", "")
    if not subject_token:
        raise InvalidRequest("subject_token: the parameter is missing.")
    _check_type("subject_token_type", form.get("subject_token_type", ""))
    actor_token = form.get("actor_token", "")
    actor_token_type = form.get("actor_token_type", "")
    if actor_token:
        _check_type("actor_token_type", actor_token_type)
    elif actor_token_type:
        raise InvalidRequest("actor_token_type: it goes with an actor_token only.")
    _check_type("requested_token_type", form.get("requested_token_type", "") or ACCESS_TOKEN_TYPE)
    targets = [*form.getlist("resource"), *form.getlist("audience")]
    return TokenExchangeRequest(
        subject_token=subject_token,
        actor_token=actor_token,
        scopes=form.get("scope", "").split(),
        targets=list(dict.fromkeys(target for target in targets if target)),
    )


def _check_type(parameter: str, token_type: str) -> None:
    if not token_type:
        raise InvalidRequest(f"{parameter}: the parameter is missing; send {ACCESS_TOKEN_TYPE}.")
    if token_type != ACCESS_TOKEN_TYPE:
        raise InvalidRequest(f"{parameter}: only {ACCESS_TOKEN_TYPE} is supported.")
