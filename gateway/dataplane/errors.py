"""Refusals: one class per reason, and the one place where they become problem documents."""

from collections.abc import Sequence
from typing import ClassVar

from wire.problem import MEDIA_TYPE, Problem

Headers = list[tuple[bytes, bytes]]


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

    error: ClassVar[str] = ""

    def __init__(self, detail: str = "", scope: str = "") -> None:
        super().__init__(detail)
        self.scope = scope
        self.resource_metadata = ""

    def name_resource(self, *, scope: str, resource_metadata: str) -> None:
        """Say which scopes are needed, and where a client learns the rest (RFC 9728 §5.1)."""
        self.scope = self.scope or scope
        self.resource_metadata = resource_metadata

    def headers(self) -> Headers:
        parts = ['Bearer realm="tollgate"']
        if self.error:
            parts += [f'error="{self.error}"', f'error_description="{self.detail}"']
        if self.scope:
            parts.append(f'scope="{self.scope}"')
        if self.resource_metadata:
            parts.append(f'resource_metadata="{self.resource_metadata}"')
        return [(b"www-authenticate", ", ".join(parts).encode("ascii", "replace"))]


class CredentialsMissing(Challenge):
    """RFC 6750 §3.1: without credentials there is no error code."""

    status, type, title = 401, "/problems/credentials-missing", "An access token is needed"


class InvalidTokenRequest(Challenge):
    """RFC 6750 §3.1 invalid_request: more than one token, or one in the wrong place."""

    status, type, title = 400, "/problems/invalid-token-request", "The token is sent wrongly"
    error = "invalid_request"


class InvalidToken(Challenge):
    status, type, title = 401, "/problems/invalid-token", "The access token is not valid"
    error = "invalid_token"


class InsufficientScope(Challenge):
    status, type, title = 403, "/problems/insufficient-scope", "The token lacks a scope"
    error = "insufficient_scope"


class NotSubscribed(Refusal):
    status, type, title = 403, "/problems/not-subscribed", "The application has no subscription"


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
    body = Problem(
        status=refusal.status,
        type=refusal.type,
        title=refusal.title,
        detail=refusal.detail,
        instance=f"urn:tollgate:request:{request_id.decode('ascii')}",
        extensions=refusal.extensions(),
    ).encode()
    headers: Headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"cache-control", b"no-store"),
        *refusal.headers(),
        *extra,
    ]
    return headers, body
