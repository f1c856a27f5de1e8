"""RFC 6750 at the control API: only a gateway may in, and a refusal says what to mend."""

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from redis.exceptions import RedisError

from ams.errors import RecentCallsUnavailable, TokenServiceUnavailable
from ams.http.bearer import BearerInfo, introspect_bearer
from wire.bearer import B64TOKEN
from wire.oauth_errors import InsufficientScope, InvalidRequest, InvalidToken, OAuthError
from wire.problem import MEDIA_TYPE, Problem

SCOPE: Final = "gateway"
_RETRY_AFTER_SECONDS: Final = "2"


class MissingToken(InvalidToken):
    """RFC 6750 §3.1: a request without credentials gets a challenge without an error code."""


# The types are those of the gateway's own refusals: one documentation explains both.
_WORDS: Final[dict[type[OAuthError], tuple[str, str]]] = {
    MissingToken: ("/problems/credentials-missing", "An access token is needed"),
    InvalidToken: ("/problems/invalid-token", "The access token is not valid"),
    InsufficientScope: ("/problems/insufficient-scope", "The token lacks a scope"),
    OAuthError: ("/problems/invalid-token-request", "The token is sent wrongly"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that both edges (ASGI and Django) know how to send."""

    status: int
    headers: dict[str, str]
    body: bytes


def require_gateway(authorization: list[str]) -> BearerInfo:
    """Return the gateway behind the values of the Authorization header. May block for HTTP.

    Raises MissingToken, InvalidRequest, InvalidToken, InsufficientScope and
    TokenServiceUnavailable.
    """
    token = _read_token(authorization)
    try:
        info = introspect_bearer(token, resource=f"{settings.ISSUER}/control")
    except RedisError as error:
        raise TokenServiceUnavailable("The cache of introspections does not answer.") from error
    if not info.active:
        raise InvalidToken(
            "The access token is expired, revoked, bound to a key or not made for this API."
        )
    if SCOPE not in info.scopes:
        raise InsufficientScope(f"The scope {SCOPE!r} is needed.", scope=SCOPE)
    return info


def _read_token(authorization: list[str]) -> str:
    if len(authorization) > 1:
        raise InvalidRequest("Send the Authorization header once.")
    scheme, _, token = "".join(authorization).partition(" ")
    if scheme.lower() != "bearer":
        raise MissingToken("Send an access token: Authorization: Bearer …")
    if not B64TOKEN.fullmatch(token.strip(" ").encode()):
        raise InvalidRequest("What follows Bearer in the Authorization header is not a token.")
    return token.strip(" ")


def answer_problem(problem: Problem, **headers: str) -> Answer:
    """Return the problem document (RFC 9457) as an answer; `_` in a name stands for `-`."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(
        problem.status,
        {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", **fields},
        problem.encode(),
    )


def answer_refusal(error: OAuthError) -> Answer:
    """Return the problem document of a refusal, with the challenge that RFC 6750 §3 asks for."""
    type_, title = next(words for kind, words in _WORDS.items() if isinstance(error, kind))
    problem = Problem(error.status, type_, title, error.description)
    return answer_problem(problem, WWW_Authenticate=_challenge(error))


def _challenge(error: OAuthError) -> str:
    members = {"realm": "control"}
    if not isinstance(error, MissingToken):
        members["error"] = error.code
    if isinstance(error, InsufficientScope):
        members["scope"] = error.scope
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in members.items())


def answer_unchecked(error: TokenServiceUnavailable) -> Answer:
    """Return 503: nobody gets in while tokens cannot be checked."""
    problem = Problem(
        503, "/problems/authority-unavailable", "Tokens cannot be checked now", str(error)
    )
    return answer_problem(problem, Retry_After=_RETRY_AFTER_SECONDS)


def answer_unavailable() -> Answer:
    """Return 503: the database does not answer."""
    detail = "The database does not answer. Try again."
    problem = Problem(503, "/problems/unavailable", "The control API cannot work now", detail)
    return answer_problem(problem, Retry_After=_RETRY_AFTER_SECONDS)


def answer_store_unavailable(error: RecentCallsUnavailable) -> Answer:
    """Return 503: Valkey does not answer."""
    problem = Problem(503, "/problems/unavailable", "The control API cannot work now", str(error))
    return answer_problem(problem, Retry_After=_RETRY_AFTER_SECONDS)


def answer_wrong_method(allowed: str) -> Answer:
    """Return 405, naming the one method that is right."""
    problem = Problem(405, "/problems/method-not-allowed", "The method is not allowed here")
    return answer_problem(problem, Allow=allowed)


def answer_bad_parameter(detail: str) -> Answer:
    """Return 400; `detail` names the member and the mend."""
    return answer_problem(Problem(400, "/problems/bad-request", "The request is malformed", detail))
