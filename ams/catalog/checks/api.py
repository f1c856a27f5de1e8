"""What makes an API usable; the queries that need the database are in the service."""

import json
import re
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from ams.catalog.checks.access import check_authentication, check_cors, check_origin
from ams.catalog.checks.path_template import template_problem, template_shape
from ams.catalog.models import API
from ams.catalog.specs import APISpec, OperationSpec
from ams.field_checks import FieldChecks

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "*")
MOST_OPERATIONS: Final = 2000
_BASE_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_OPERATION_ID: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")
# RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
_SCOPE: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
# A link in other people's pages: web only, without a user name, and nothing that ends an attribute.
_WEB_PAGE: Final = re.compile(r"https?://[A-Za-z0-9.\-_\[\]:]+(?:[/?#][!#-;=?-\[\]_a-z~]*)?")
_LONGEST_IDLE_SECONDS: Final = 24 * 60 * 60
_CLAIM: Final = re.compile(r"[a-z][a-z0-9_]*")
# Scopes of OpenID Connect mean the same everywhere; an API cannot give them another meaning.
RESERVED_SCOPES: Final = frozenset(
    {"openid", "profile", "email", "address", "phone", "offline_access"}
)
# RFC 9068 §2.2: these are the token service's to say.
_RESERVED_CLAIMS: Final = frozenset(
    {"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "cnf", "act"}
)
# After an escaped backslash, `u0000` is five plain characters.
_ESCAPED_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_MOST_BODY_BYTES: Final = 10 * 1024**3
_RESERVED_RESOURCES: Final = ("/control", "/api", "/oauth")


def check_api(spec: APISpec) -> FieldChecks:
    """Return what is wrong with `spec` by itself; runs no query."""
    checks = FieldChecks()
    checks.slug(spec.slug, "slug")
    checks.slug(spec.upstream, "upstream")
    checks.text(spec.name, "name", longest=128, required=True)
    checks.text(spec.version, "version", longest=32)
    checks.text(spec.summary, "summary", longest=256)
    checks.text(spec.description, "description")
    _check_documentation_url(spec.documentation_url, checks)
    for at, tag in enumerate(spec.tags):
        checks.text(tag, "tags", at, longest=32, required=True)
    checks.choice(spec.state, API.State.values, "state")
    checks.number(spec.max_body_bytes, "max_body_bytes", least=0, most=_MOST_BODY_BYTES)
    _check_websocket(spec, checks)
    if spec.cors is not None:
        check_cors(spec.cors, checks)
    check_authentication(spec, checks)
    for at, slug in enumerate(spec.issuers):
        checks.slug(slug, "issuers", at)
    _check_base_path(spec.base_path, checks)
    _check_resource(spec.resource, checks)
    _check_claims(spec, checks)
    _check_scopes(spec, checks)
    _check_operations(spec, checks)
    if spec.openapi is not None:
        # jsonb takes neither NUL nor half of a surrogate pair; here both can be seen as text.
        text = json.dumps(spec.openapi, ensure_ascii=False)
        checks.text(_ESCAPED_NUL.sub("\0", text), "openapi")
    return checks


def _check_websocket(spec: APISpec, checks: FieldChecks) -> None:
    checks.number(
        spec.websocket_idle_seconds, "websocket_idle_seconds", least=1, most=_LONGEST_IDLE_SECONDS
    )
    for at, origin in enumerate(spec.websocket_origins):
        checks.text(origin, "websocket_origins", at, longest=256)
        check_origin(origin, checks, "websocket_origins", at)
    if spec.websocket_origins and not spec.allow_websocket:
        checks.add("origins are of use with allow_websocket only.", "websocket_origins")


def _check_base_path(base_path: str, checks: FieldChecks) -> None:
    checks.text(base_path, "base_path", longest=128, required=True)
    if not base_path:
        return
    if not _BASE_PATH.fullmatch(base_path):
        checks.add(
            f"{base_path!r} must look like /orders/v1: a leading slash, no trailing one, and"
            " letters, digits, . _ ~ - only.",
            "base_path",
        )
    elif {".", ".."} & set(base_path.split("/")):
        checks.add("dot segments are not allowed.", "base_path")
    elif base_path == "/-" or base_path.startswith("/-/"):
        checks.add("/- is the gateway's own.", "base_path")
    elif f"{base_path}/".startswith("/.well-known/"):
        # RFC 8615: an API here could speak for the others (RFC 9728 §7.3).
        checks.add("/.well-known is the gateway's own.", "base_path")


def _check_documentation_url(url: str, checks: FieldChecks) -> None:
    if not url:
        return
    checks.text(url, "documentation_url", longest=512)
    if not _WEB_PAGE.fullmatch(url):
        checks.add("an http or https URL is needed.", "documentation_url")


def _check_resource(resource: str, checks: FieldChecks) -> None:
    if not resource:
        return
    checks.text(resource, "resource", longest=512)
    parts = urlsplit(resource)
    # RFC 8707 §2: an absolute URI; a fragment MUST NOT be there.
    if parts.scheme not in {"http", "https"} or not parts.hostname or "#" in resource:
        checks.add("an absolute http or https URI without fragment is needed.", "resource")
    elif not resource.isascii() or not resource.isprintable() or " " in resource:
        checks.add("only printable ASCII characters without spaces are allowed.", "resource")
    elif is_reserved_resource(resource):
        checks.add("this is one of the platform's own resources.", "resource")


def is_reserved_resource(resource: str) -> bool:
    """Whether `resource` is the platform's own: an API there could give itself its tokens."""
    return any(
        resource.rstrip("/") == settings.ISSUER
        or resource == settings.ISSUER + path
        or resource.startswith(f"{settings.ISSUER}{path}/")
        for path in _RESERVED_RESOURCES
    )


def _check_claims(spec: APISpec, checks: FieldChecks) -> None:
    for at, claim in enumerate(spec.claims):
        if len(claim) > 64 or not _CLAIM.fullmatch(claim):
            checks.add(f"{claim!r} is not the name of a claim.", "claims", at)
        elif claim in _RESERVED_CLAIMS:
            checks.add(f"{claim!r} is always there; the token service sets it.", "claims", at)
    checks.unique(((claim, ("claims", at)) for at, claim in enumerate(spec.claims)), "claim")


def _check_scopes(spec: APISpec, checks: FieldChecks) -> None:
    for at, scope in enumerate(spec.scopes):
        checks.text(scope.name, "scopes", at, "name", longest=128, required=True)
        checks.text(scope.description, "scopes", at, "description", longest=256)
        if scope.name and not _SCOPE.fullmatch(scope.name):
            checks.add(f'{scope.name!r} must have no space, " or \\ in it.', "scopes", at, "name")
        elif scope.name in RESERVED_SCOPES:
            checks.add(f"{scope.name!r} belongs to OpenID Connect.", "scopes", at, "name")
    names = ((scope.name, ("scopes", at, "name")) for at, scope in enumerate(spec.scopes))
    checks.unique(names, "scope")


def _check_operations(spec: APISpec, checks: FieldChecks) -> None:
    if len(spec.operations) > MOST_OPERATIONS:
        checks.add(f"at most {MOST_OPERATIONS} are possible.", "operations")
        return
    known = [scope.name for scope in spec.scopes]
    for at, operation in enumerate(spec.operations):
        _check_operation(operation, at, known, checks)
    rows = list(enumerate(spec.operations))
    checks.unique(
        ((row.operation_id, ("operations", at, "operation_id")) for at, row in rows),
        "operation_id",
    )
    checks.unique(
        (((row.method, template_shape(row.path)), ("operations", at, "path")) for at, row in rows),
        "method and path",
    )


def _check_operation(
    operation: OperationSpec, at: int, known_scopes: list[str], checks: FieldChecks
) -> None:
    here = ("operations", at)
    checks.text(operation.operation_id, *here, "operation_id", longest=128, required=True)
    if operation.operation_id and not _OPERATION_ID.fullmatch(operation.operation_id):
        checks.add("letters, digits, _ . : - only are possible.", *here, "operation_id")
    checks.choice(operation.method, METHODS, *here, "method")
    checks.text(operation.path, *here, "path", longest=256)
    problem = template_problem(operation.path)
    if problem:
        checks.add(problem, *here, "path")
    checks.text(operation.summary, *here, "summary", longest=256)
    check_authentication(operation, checks, *here)
    for number, scope in enumerate(operation.scopes):
        if scope not in known_scopes:
            known = ", ".join(known_scopes) or "none"
            message = f"{scope!r} is not a scope of this API ({known})."
            checks.add(message, *here, "scopes", number)
