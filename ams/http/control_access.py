"""RFC 6750 at the control API: only a gateway may in, and a refusal says what to mend."""

from dataclasses import dataclass
from typing import Final

from django.conf import settings
from redis.exceptions import RedisError

from ams.errors import TokenServiceUnavailable
from ams.http.bearer import BearerInfo, introspect_bearer
from wire.bearer import B64TOKEN
from wire.oauth_errors import InsufficientScope, InvalidRequest, InvalidToken, OAuthError
from wire.problem import MEDIA_TYPE, Problem

SCOPE: Final = "gateway"
_RETRY_AFTER_SECONDS: Final = 2


class MissingToken(InvalidToken):
    """RFC 6750 §3.1: a request without credentials gets a challenge without an error code."""


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
        raise InvalidToken("The access token is expired, revoked or not made for this API.")
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
    problem = Problem(
        status=error.status,
        type=f"/problems/{error.code.replace('_', '-')}",
        title=error.code.replace("_", " ").capitalize(),
        detail=error.description,
    )
    return answer_problem(problem, WWW_Authenticate=_challenge(error))


def _challenge(error: OAuthError) -> str:
    members = {"realm": "control"}
    if not isinstance(error, MissingToken):
        members["error"] = error.code
    if isinstance(error, InsufficientScope):
        members["scope"] = error.scope
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in members.items())


def answer_unavailable(error: TokenServiceUnavailable | None = None) -> Answer:
    """Return 503: something that the control API stands on does not answer; try again soon."""
    what = "What checks the access token" if error else "The database"
    problem = Problem(
        status=503,
        type="/problems/unavailable",
        title="Unavailable",
        detail=f"{what} does not answer. Try again.",
    )
    return answer_problem(problem, Retry_After=str(_RETRY_AFTER_SECONDS))


def answer_bad_parameter(detail: str) -> Answer:
    """Return 400; `detail` names the member and the mend."""
    return answer_problem(
        Problem(status=400, type="/problems/bad-request", title="Bad request", detail=detail)
    )
