"""RFC 6749 §3.1: parameters MUST NOT be included more than once."""

from typing import Final

from ims.authorization.request import AuthorizationRequest
from wire.oauth_errors import InvalidRequest

# RFC 8707 §2: one `resource` for each protected resource.
_REPEATABLE: Final = frozenset({"resource"})
_READ_HERE: Final = frozenset(
    {
        "acr_values",
        "claims",
        "code_challenge",
        "code_challenge_method",
        "dpop_jkt",
        "id_token_hint",
        "login_hint",
        "max_age",
        "nonce",
        "prompt",
        "request",
        "request_uri",
        "response_mode",
        "response_type",
        "scope",
        "state",
    }
)


def check(request: AuthorizationRequest) -> None:
    """Pass parameters sent once, known or not. Raises InvalidRequest."""
    for name, values in request.parameters.items():
        if len(values) > 1 and name not in _REPEATABLE:
            # A name that is not ours may hold anything and is not repeated back.
            shown = name if name in _READ_HERE else "A parameter"
            raise InvalidRequest(f"{shown}: send the parameter once.")
        if any("\0" in text for text in values):
            raise InvalidRequest("A parameter contains NUL, which none may.")
