"""Refusals: one class per reason, and the one place where they become problem documents."""

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar, Final

from wire.jws import ALGORITHMS
from wire.problem import MEDIA_TYPE, Problem

Headers = list[tuple[bytes, bytes]]

# RFC 9449 §7.1: what a proof may be signed with.
_DPOP_ALGORITHMS: Final = " ".join(ALGORITHMS)

_INSTANCE: Final = "urn:tollgate:request:"
_FIELDS: Final = ((b"content-type", MEDIA_TYPE.encode()), (b"cache-control", b"no-store"))


class Refusal(Exception):
    """A call ends here. RFC 9457 members as class attributes; `detail` says what to do."""

    status: ClassVar[int]
    type: ClassVar[str]
    title: ClassVar[str]
    # The request may not be delimited as both sides think, or its body is unread: do not go on.
    closes: ClassVar[bool] = False

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    def headers(self) -> Headers:
        """Return the header fields that belong to this refusal."""
        return []

    def extensions(self) -> dict[str, object]:
        """Return further members of the problem document (RFC 9457 §3.2)."""
        return {}


class BadRequest(Refusal):
    status, type, title = 400, "/problems/bad-request", "The request is malformed"
    closes = True


class MisdirectedRequest(Refusal):
    """RFC 9110 §15.5.20."""

    status, type, title = 421, "/problems/misdirected-request", "This host is not served here"


class URITooLong(Refusal):
    status, type, title = 414, "/problems/uri-too-long", "The request target is too long"


class HeadersTooLarge(Refusal):
    """RFC 6585 §5."""

    status, type, title = 431, "/problems/headers-too-large", "The header fields are too large"
    closes = True


class OptionsAnswered(Refusal):
    """Not an error: OPTIONS ends here, because it is never forwarded without a token."""

    status, type, title = 204, "about:blank", "No Content"

    def __init__(self, allow: str) -> None:
        super().__init__()
        self.allow = allow

    def headers(self) -> Headers:
        return [(b"allow", self.allow.encode())]


class CrossOriginAnswer(OptionsAnswered):
    """The preflight of a page on another origin, at what anybody may read (Fetch §3.2.2)."""

    def headers(self) -> Headers:
        return [
            *super().headers(),
            (b"access-control-allow-origin", b"*"),
            (b"access-control-allow-methods", self.allow.encode()),
            (b"access-control-allow-headers", b"*"),
            (b"access-control-max-age", b"3600"),
        ]


class Answer(Refusal):
    """Not an error: the gateway answers for itself, and the call goes no further."""

    status, type, title = 200, "about:blank", "OK"

    def __init__(self, content: bytes, fields: Headers) -> None:
        super().__init__()
        self.content = content
        self.fields = fields

    def headers(self) -> Headers:
        return self.fields


class NotFound(Refusal):
    status, type, title = 404, "/problems/not-found", "No API is published at this path"


class MethodNotAllowed(Refusal):
    status, type, title = 405, "/problems/method-not-allowed", "The method is not allowed here"

    def __init__(self, detail: str, allow: str) -> None:
        super().__init__(detail)
        self.allow = allow

    def headers(self) -> Headers:
        return [(b"allow", self.allow.encode())]


class MethodNotImplemented(Refusal):
    status, type, title = 501, "/problems/method-not-implemented", "The method is not implemented"


class Challenge(Refusal):
    """RFC 6750 §3: the WWW-Authenticate field of a protected resource."""

    error = ""
    # RFC 9449 §7.1: who shows up with DPoP, or needs it, is challenged so.
    is_dpop = False
    # Whether another token would do: then both schemes are named (RFC 9449 §7.2).
    offers_both: ClassVar[bool] = False

    def __init__(self, detail: str = "", scope: str = "") -> None:
        super().__init__(detail)
        self.scope = scope
        self.resource_metadata = ""

    def name_resource(self, *, scope: str, resource_metadata: str, is_dpop: bool) -> None:
        """Say which scopes are needed, and where a client learns the rest (RFC 9728 §5.1)."""
        self.scope = self.scope or scope
        self.resource_metadata = resource_metadata
        self.is_dpop = self.is_dpop or is_dpop

    def parameters(self) -> list[str]:
        """Return what this refusal says beside error and scope."""
        return []

    def headers(self) -> Headers:
        parts = [f'{"DPoP" if self.is_dpop else "Bearer"} realm="tollgate"']
        if self.error:
            parts += [f'error="{self.error}"', f'error_description="{self.detail}"']
        parts += self.parameters()
        if self.scope:
            parts.append(f'scope="{self.scope}"')
        if self.resource_metadata:
            parts.append(f'resource_metadata="{self.resource_metadata}"')
        if self.is_dpop:
            parts.append(f'algs="{_DPOP_ALGORITHMS}"')
        elif self.offers_both:
            parts.append(f'DPoP algs="{_DPOP_ALGORITHMS}"')
        return [(b"www-authenticate", ", ".join(parts).encode("ascii", "replace"))]


class CredentialsMissing(Challenge):
    """RFC 6750 §3.1: without credentials there is no error code."""

    status, type, title = 401, "/problems/credentials-missing", "An access token is needed"
    offers_both = True


class InvalidTokenRequest(Challenge):
    """RFC 6750 §3.1 invalid_request: more than one token, or one in the wrong place."""

    status, type, title = 400, "/problems/invalid-token-request", "The token is sent wrongly"
    error = "invalid_request"


class InvalidToken(Challenge):
    status, type, title = 401, "/problems/invalid-token", "The access token is not valid"
    error = "invalid_token"
    offers_both = True


class InvalidProof(Challenge):
    """RFC 9449 §7.1: the proof does not hold, or (`invalid_token`) is of another key."""

    status, type, title = 401, "/problems/invalid-dpop-proof", "The DPoP proof is not valid"
    is_dpop = True

    def __init__(self, detail: str, *, error: str = "invalid_dpop_proof") -> None:
        super().__init__(detail)
        self.error = error


class NonceNeeded(InvalidProof):
    """RFC 9449 §9: the nonce is in the DPoP-Nonce header of this answer."""

    type, title = "/problems/use-dpop-nonce", "The DPoP proof needs a nonce of this gateway"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, error="use_dpop_nonce")


class BoundTokenNeeded(Challenge):
    """RFC 9449 §5.2, RFC 8705 §3: this API takes no token that a thief could use."""

    status, type, title = 401, "/problems/bound-token-needed", "A token bound to a key is needed"
    error = "invalid_token"
    is_dpop = True


class InsufficientAuthentication(Challenge):
    """RFC 9470 §3: the user has to sign in in another way, or again."""

    status, type, title = (
        401,
        "/problems/insufficient-user-authentication",
        "The user has not signed in as this operation asks",
    )
    error = "insufficient_user_authentication"

    def __init__(self, detail: str, *, acr_values: str, max_age_seconds: int | None) -> None:
        super().__init__(detail)
        self.acr_values = acr_values
        self.max_age_seconds = max_age_seconds

    def parameters(self) -> list[str]:
        """Return what the client has to ask for at the authorization endpoint."""
        parameters = [f'acr_values="{self.acr_values}"'] if self.acr_values else []
        if self.max_age_seconds is not None:
            parameters.append(f'max_age="{self.max_age_seconds}"')
        return parameters


class InsufficientScope(Challenge):
    status, type, title = 403, "/problems/insufficient-scope", "The token lacks a scope"
    error = "insufficient_scope"


class NotSubscribed(Refusal):
    status, type, title = 403, "/problems/not-subscribed", "The application has no subscription"


class WebSocketNotAllowed(Refusal):
    status, type = 403, "/problems/websocket-not-allowed"
    title = "This API offers no WebSocket"


class OriginNotAllowed(Refusal):
    """RFC 6455 §10.2."""

    status, type, title = 403, "/problems/origin-not-allowed", "Pages of this origin are not let in"


class UpgradeRequired(Refusal):
    """RFC 6455 §4.4, RFC 9110 §15.5.22: what is spoken here."""

    status, type = 426, "/problems/upgrade-required"
    title = "Another version of WebSocket is needed"

    def headers(self) -> Headers:
        return [
            (b"upgrade", b"websocket"),
            (b"connection", b"upgrade"),
            (b"sec-websocket-version", b"13"),
        ]


class ContentTooLarge(Refusal):
    status, type, title = 413, "/problems/content-too-large", "The request body is too large"
    closes = True


class IncompleteBody(Refusal):
    """The client's body ended early; it is usually gone already."""

    status, type, title = 400, "/problems/incomplete-body", "The request body is incomplete"
    closes = True


class _Delayed(Refusal):
    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = max(1, retry_after_seconds)

    def headers(self) -> Headers:
        return [(b"retry-after", b"%d" % self.retry_after_seconds)]


class _LimitReached(_Delayed):
    """RFC 6585 §4. `policy` is the name in RateLimit-Policy (draft -10 §5, violated-policies)."""

    def __init__(self, detail: str, retry_after_seconds: int, policy: str) -> None:
        super().__init__(detail, retry_after_seconds)
        self.policy = policy

    def extensions(self) -> dict[str, object]:
        return {"violated-policies": [self.policy]}


class RateLimited(_LimitReached):
    status, type, title = 429, "/problems/rate-limited", "Too many calls"


class QuotaExhausted(_LimitReached):
    status, type, title = 429, "/problems/quota-exhausted", "The plan's quota is used up"


class TooManyInvalidTokens(_Delayed):
    """RFC 6585 §4: not 401, since nobody looked at this token."""

    status, type, title = 429, "/problems/too-many-invalid-tokens", "Too many invalid tokens"


class NotReady(_Delayed):
    status, type, title = 503, "/problems/not-ready", "The gateway has no configuration yet"


class AuthorityUnavailable(_Delayed):
    """The token service cannot be asked: this says nothing about the token (never a 401)."""

    status, type, title = 503, "/problems/authority-unavailable", "Tokens cannot be checked now"


class BadGateway(Refusal):
    status, type, title = 502, "/problems/bad-gateway", "The API could not be reached"


class NoTarget(_Delayed):
    """Health checks have taken out every target of the upstream."""

    status, type, title = 503, "/problems/upstream-unavailable", "The API is not available now"


class GatewayTimeout(Refusal):
    status, type, title = 504, "/problems/gateway-timeout", "The API did not answer in time"


class InternalError(Refusal):
    status, type, title = 500, "/problems/internal-error", "The gateway failed"


def render(
    refusal: Refusal, request_id: bytes, extra: Sequence[tuple[bytes, bytes]]
) -> tuple[Headers, bytes]:
    """Return header fields and body of the answer (RFC 9457 §3); the front frames it."""
    if refusal.status == 204:
        return [*refusal.headers(), *extra], b""
    if isinstance(refusal, Answer):
        return [*refusal.headers(), *extra], refusal.content
    status, kind, title, detail = refusal.status, refusal.type, refusal.title, refusal.detail
    extensions = refusal.extensions()
    if extensions:
        instance = _INSTANCE + request_id.decode("ascii")
        body = Problem(status, kind, title, detail, instance, extensions).encode()
    else:
        before, after = _parts(status, kind, title, detail)
        body = before + request_id + after
    return [*_FIELDS, *refusal.headers(), *extra], body


@lru_cache(maxsize=256)
def _parts(status: int, kind: str, title: str, detail: str) -> tuple[bytes, bytes]:
    """Return what stands before and after the id of the request, which is plain ASCII."""
    document = Problem(status, kind, title, detail, _INSTANCE + "?").encode()
    before, _, after = document.rpartition(b"?")
    return before, after
