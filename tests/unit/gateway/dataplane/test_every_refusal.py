"""Each kind of refusal by itself: its status, type and fields, and httplint's opinion of them.

That it comes where it should is tested where it comes from. A kind that is new has to be written
down here.
"""

import json

import pytest
from httplint import HttpResponseLinter
from httplint.note import levels

from gateway.dataplane import errors
from gateway.front import errors as front_errors

RETRY = {"retry-after": "7"}
REALM = 'Bearer realm="tollgate"'
ALGORITHMS = 'algs="ES256 ES384 RS256 PS256 EdDSA Ed25519"'
SCOPE = 'scope="orders:read", resource_metadata="https://g.test/.well-known/x"'


def challenged(value):
    return {"www-authenticate": value}


# What is refused -> status, the end of its type, the fields of its own.
EXPECTED = [
    (errors.BadRequest("x"), 400, "bad-request", {}),
    (errors.IncompleteBody("x"), 400, "incomplete-body", {}),
    (errors.MisdirectedRequest("x"), 421, "misdirected-request", {}),
    (errors.URITooLong("x"), 414, "uri-too-long", {}),
    (errors.HeadersTooLarge("x"), 431, "headers-too-large", {}),
    (errors.NotFound("x"), 404, "not-found", {}),
    (errors.MethodNotAllowed("x", "GET, HEAD"), 405, "method-not-allowed", {"allow": "GET, HEAD"}),
    (errors.MethodNotImplemented("x"), 501, "method-not-implemented", {}),
    (
        errors.CredentialsMissing("x"),
        401,
        "credentials-missing",
        challenged(f"{REALM}, {SCOPE}, DPoP {ALGORITHMS}"),
    ),
    (
        errors.InvalidTokenRequest("x"),
        400,
        "invalid-token-request",
        challenged(f'{REALM}, error="invalid_request", error_description="x", {SCOPE}'),
    ),
    (
        errors.InvalidToken("x"),
        401,
        "invalid-token",
        challenged(
            f'{REALM}, error="invalid_token", error_description="x", {SCOPE}, DPoP {ALGORITHMS}'
        ),
    ),
    (
        errors.InvalidProof("x"),
        401,
        "invalid-dpop-proof",
        challenged(
            'DPoP realm="tollgate", error="invalid_dpop_proof", error_description="x", '
            f"{SCOPE}, {ALGORITHMS}"
        ),
    ),
    (
        errors.NonceNeeded("x"),
        401,
        "use-dpop-nonce",
        challenged(
            'DPoP realm="tollgate", error="use_dpop_nonce", error_description="x", '
            f"{SCOPE}, {ALGORITHMS}"
        ),
    ),
    (
        errors.BoundTokenNeeded("x"),
        401,
        "bound-token-needed",
        challenged(
            'DPoP realm="tollgate", error="invalid_token", error_description="x", '
            f"{SCOPE}, {ALGORITHMS}"
        ),
    ),
    (
        errors.InsufficientAuthentication("x", acr_values="gold", max_age_seconds=60),
        401,
        "insufficient-user-authentication",
        challenged(
            f'{REALM}, error="insufficient_user_authentication", error_description="x", '
            f'acr_values="gold", max_age="60", {SCOPE}'
        ),
    ),
    (
        errors.InsufficientScope("x"),
        403,
        "insufficient-scope",
        challenged(f'{REALM}, error="insufficient_scope", error_description="x", {SCOPE}'),
    ),
    (errors.NotSubscribed("x"), 403, "not-subscribed", {}),
    (errors.WebSocketNotAllowed("x"), 403, "websocket-not-allowed", {}),
    (errors.OriginNotAllowed("x"), 403, "origin-not-allowed", {}),
    (
        errors.UpgradeRequired("x"),
        426,
        "upgrade-required",
        {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": "13"},
    ),
    (errors.ContentTooLarge("x"), 413, "content-too-large", {}),
    (errors.RateLimited("x", 7, "rate"), 429, "rate-limited", RETRY),
    (errors.QuotaExhausted("x", 7, "quota"), 429, "quota-exhausted", RETRY),
    (errors.TooManyInvalidTokens("x", 7), 429, "too-many-invalid-tokens", RETRY),
    (errors.NotReady("x", 7), 503, "not-ready", RETRY),
    (errors.AuthorityUnavailable("x", 7), 503, "authority-unavailable", RETRY),
    (errors.NoTarget("x", 7), 503, "upstream-unavailable", RETRY),
    (errors.BadGateway("x"), 502, "bad-gateway", {}),
    (errors.GatewayTimeout("x"), 504, "gateway-timeout", {}),
    (errors.InternalError("x"), 500, "internal-error", {}),
    (front_errors.ConflictingFraming("x"), 400, "conflicting-framing", {}),
    (front_errors.BadFraming("x"), 400, "bad-framing", {}),
    (front_errors.TransferCodingNotImplemented("x"), 501, "transfer-coding-not-implemented", {}),
    (front_errors.VersionNotSupported("x"), 505, "version-not-supported", {}),
    (front_errors.ExpectationFailed("x"), 417, "expectation-failed", {}),
    (front_errors.RequestTimedOut("x"), 408, "request-timeout", {}),
]


def kinds(of):
    """Return every kind of refusal that has a status of its own and is an error."""
    found = {one for sub in of.__subclasses__() for one in kinds(sub)}
    is_error = getattr(of, "status", 0) >= 400
    return found | {of} if is_error else found


def test_every_kind_is_here():
    assert {type(refusal) for refusal, *_ in EXPECTED} == kinds(errors.Refusal)


@pytest.mark.parametrize(
    ("refusal", "status", "problem", "own"), EXPECTED, ids=[row[2] for row in EXPECTED]
)
def test_it_has_its_status_type_and_fields_and_is_good_http(refusal, status, problem, own):
    if isinstance(refusal, errors.Challenge):
        refusal.name_resource(
            scope="orders:read", resource_metadata="https://g.test/.well-known/x", is_dpop=False
        )

    fields, body = errors.render(refusal, b"abc", [(b"x-request-id", b"abc")])

    told = {name.decode(): value.decode() for name, value in fields}
    assert len(told) == len(fields)
    assert told == {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
        "x-request-id": "abc",
        **own,
    }
    said = json.loads(body)
    assert (said["status"], said["type"]) == (status, f"/problems/{problem}")
    assert (said["detail"], said["instance"]) == ("x", "urn:tollgate:request:abc")
    assert complaints(status, fields, body) == []


def complaints(status, fields, body):
    """Return what httplint has against the answer, as the front frames it."""
    framing = [
        (b"content-length", b"%d" % len(body)),
        (b"date", b"Fri, 27 Nov 2026 10:00:00 GMT"),
        (b"server", b"tollgate"),
    ]
    linter = HttpResponseLinter()
    linter.process_response_topline(b"HTTP/1.1", b"%d" % status, b"Refused")
    linter.process_headers([*fields, *framing])
    linter.feed_content(body)
    linter.finish_content(True)
    bad = [note for note in linter.notes if note.level in {levels.BAD, levels.WARN}]
    # It warns of each refusal's status for what it is.
    return [f"{n.summary}" for n in bad if not type(n).__name__.startswith("STATUS_")]
