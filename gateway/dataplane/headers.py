"""Header fields that may pass, and those that must not, in both directions.

Order matters: what the client sent is dropped first, ours are added after, so that
`Connection: authorization` cannot delete a field of ours (CVE-2025-48865 is that mistake).
Names arrive in lower case (HTTP/2 requires it, the server makes it so for HTTP/1.1).
"""

from typing import Final

Headers = list[tuple[bytes, bytes]]

MAX_HEADER_BYTES: Final = 32 * 1024

# Verdicts on a name.
FORWARD: Final = 0
DROP: Final = 1
NOTED: Final = 2  # of a request: read by a stage of the pipeline, never forwarded as it came
LENGTH: Final = 3  # of a response: both are read by the forward stage, which writes its own
CONNECTION: Final = 4

_HOP_BY_HOP: Final = frozenset(  # RFC 9110 §7.6.1, and what is fixed to one connection
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-authentication-info",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    }
)
_NOTED: Final = frozenset(
    {
        b"authorization",
        b"client-cert",
        b"connection",
        b"content-length",
        b"cookie",
        b"dpop",
        b"expect",
        b"host",
        b"origin",
        b"transfer-encoding",
        b"upgrade",
        b"x-request-id",
    }
)
# Statements about who calls: only the gateway makes them.
_IDENTITY: Final = frozenset(
    {
        b"forwarded",
        b"client-cert-chain",
        b"remote-user",
        b"x-real-ip",
        b"x-original-url",
        b"x-rewrite-url",
        b"x-http-method-override",
        b"x-http-method",
        b"x-method-override",
        b"true-client-ip",
        b"x-cluster-client-ip",
        b"x-ssl-client-cert",
    }
)
_IDENTITY_PREFIXES: Final = (
    b"x-user",
    b"x-client",
    b"x-forwarded",
    b"x-authenticated",
    b"x-auth-request-",
    b"x-remote-",
    b"x-consumer-",
    b"x-credential-",
    b"x-tollgate-",
    b":",
)
_RESPONSE_DROPPED: Final = _HOP_BY_HOP | {
    b"alt-svc",  # would lead clients past the gateway
    b"server",
    b"x-powered-by",
    b"x-request-id",
    b"ratelimit",
    b"ratelimit-policy",
}

# Verdicts by name. Clients choose names, so the memory for them is bounded.
_MAX_REMEMBERED: Final = 2048
_MAX_REMEMBERED_LENGTH: Final = 64
request_verdicts: dict[bytes, int] = dict.fromkeys(_NOTED, NOTED)
response_verdicts: dict[bytes, int] = {b"content-length": LENGTH, b"connection": CONNECTION}


def judge_request_name(name: bytes) -> int:
    """Return the verdict on a request header name that is not in `request_verdicts`.

    A name with `_` is dropped: servers that map `-` and `_` to one variable would let
    `X_User_Id` pass for ours (CVE-2025-64484).
    """
    lower = name.lower()
    is_dropped = (
        b"_" in lower
        or lower in _HOP_BY_HOP
        or lower in _IDENTITY
        or lower.startswith(_IDENTITY_PREFIXES)
    )
    return _remember(request_verdicts, name, DROP if is_dropped else FORWARD)


def judge_response_name(name: bytes) -> int:
    """Return the verdict on a response header name that is not in `response_verdicts`."""
    lower = name.lower()
    verdict = response_verdicts.get(lower)  # LENGTH and CONNECTION, or one judged before
    if verdict is None:
        verdict = DROP if lower in _RESPONSE_DROPPED else FORWARD
    return _remember(response_verdicts, name, verdict)


def without_connection_named(fields: Headers, connection: bytes) -> Headers:
    """Return `fields` without those that the Connection field names (RFC 9110 §7.6.1)."""
    named = {token.strip().lower() for token in connection.split(b",")}
    return [field for field in fields if field[0].lower() not in named]


def _remember(verdicts: dict[bytes, int], name: bytes, verdict: int) -> int:
    if len(verdicts) < _MAX_REMEMBERED and len(name) <= _MAX_REMEMBERED_LENGTH:
        verdicts[name] = verdict
    return verdict
