"""RFC 7591 §2: what a client may say of itself, with the RFC's defaults filled in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ims.checks.client_metadata_members import (
    MOST_ENTRIES,
    parse_other_members,
    parse_text,
    parse_texts,
)
from ims.checks.host_patterns import host_matches, host_of
from ims.checks.redirect_uris import check_redirect_uri
from ims.checks.software_statement import refuse_software_statement
from ims.models import Client
from ims.registration_limits import (
    DEVICE_CODE,
    PRIVATE_KEY_JWT,
    TOKEN_EXCHANGE,
    RegistrationLimits,
)
from wire.oauth_errors import InvalidClientMetadata, InvalidRedirectURI

LONGEST_SCOPE: Final = 128
MOST_SCOPES: Final = 100
# RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
_SCOPE_TOKEN: Final = re.compile(r"[!#-\[\]-~]+")


@dataclass(frozen=True, slots=True)
class ClientMetadata:
    """A client's checked metadata. `others` are the members without a column of their own."""

    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    token_endpoint_auth_method: str
    grant_types: tuple[str, ...]
    response_types: tuple[str, ...]
    scopes: tuple[str, ...]
    client_name: str = ""
    others: Mapping[str, Any] = field(default_factory=dict)


def parse_client_metadata(
    document: Mapping[str, object], *, limits: RegistrationLimits
) -> ClientMetadata:
    """Return the metadata in `document` with the defaults of RFC 7591 §2.

    Members that are not understood are left out, as §2 demands. A null is an omitted member
    (RFC 7592 §2.2). Raises InvalidRedirectURI and InvalidClientMetadata, naming member and mend,
    and the refusals of software statements.
    """
    given = {name: value for name, value in document.items() if value is not None}
    refuse_software_statement(given)
    grant_types = _parse_grant_types(given, limits)
    metadata = ClientMetadata(
        redirect_uris=_parse_redirect_uris(given, limits),
        post_logout_redirect_uris=_parse_uris(given, "post_logout_redirect_uris"),
        token_endpoint_auth_method=_parse_auth_method(given, limits),
        grant_types=grant_types,
        response_types=_parse_response_types(given, grant_types),
        scopes=_parse_scope(given, limits),
        client_name=parse_text("client_name", given.get("client_name", "")),
        others=parse_other_members(given),
    )
    _check_grants(metadata)
    _check_keys(metadata)
    return metadata


def _check_grants(metadata: ClientMetadata) -> None:
    """RFC 7591 §2.1 and what follows from it."""
    by_code = "authorization_code" in metadata.grant_types
    is_public = metadata.token_endpoint_auth_method == Client.AuthMethod.NONE
    if by_code and not metadata.redirect_uris:
        raise InvalidRedirectURI("redirect_uris: authorization_code needs at least one.")
    if by_code != ("code" in metadata.response_types):
        raise InvalidClientMetadata(
            "response_types: code and the grant type authorization_code go together."
        )
    if "refresh_token" in metadata.grant_types and not (
        by_code or DEVICE_CODE in metadata.grant_types
    ):
        raise InvalidClientMetadata("grant_types: refresh_token needs authorization_code too.")
    for name in ("client_credentials", TOKEN_EXCHANGE):
        if name in metadata.grant_types and is_public:
            raise InvalidClientMetadata(
                f"grant_types: {name} needs a client that can prove itself; choose another"
                " token_endpoint_auth_method than none."
            )


def _check_keys(metadata: ClientMetadata) -> None:
    """RFC 7591 §2: with private_key_jwt the client's keys are needed."""
    if metadata.token_endpoint_auth_method != PRIVATE_KEY_JWT:
        return
    jwks = metadata.others.get("jwks")
    if "jwks_uri" not in metadata.others and not (jwks and jwks["keys"]):
        raise InvalidClientMetadata(
            "jwks: private_key_jwt needs the client's public keys, as jwks or at jwks_uri."
        )


def _parse_grant_types(given: Mapping[str, object], limits: RegistrationLimits) -> tuple[str, ...]:
    grant_types = parse_texts("grant_types", given.get("grant_types", ["authorization_code"]))
    if not grant_types:
        raise InvalidClientMetadata("grant_types: name at least one.")
    _check_members("grant_types", grant_types, limits.allowed_grant_types())
    return grant_types


def _parse_response_types(
    given: Mapping[str, object], grant_types: tuple[str, ...]
) -> tuple[str, ...]:
    # RFC 7591 §2's default is code; for a client that never sees the authorization endpoint it
    # would contradict §2.1, so such a client gets none.
    default = ["code"] if "authorization_code" in grant_types else []
    response_types = parse_texts("response_types", given.get("response_types", default))
    _check_members("response_types", response_types, ["code"])
    return response_types


def _parse_auth_method(given: Mapping[str, object], limits: RegistrationLimits) -> str:
    allowed = limits.allowed_auth_methods()
    basic = Client.AuthMethod.BASIC.value
    # RFC 7591 §3.2.1: the server may replace what it does not take; a default is no demand.
    default = basic if basic in allowed or not allowed else allowed[0]
    method = given.get("token_endpoint_auth_method", default)
    if method not in allowed:
        raise InvalidClientMetadata(f"token_endpoint_auth_method: choose {', '.join(allowed)}.")
    return str(method)


def _parse_scope(given: Mapping[str, object], limits: RegistrationLimits) -> tuple[str, ...]:
    scope = given.get("scope", "")
    if not isinstance(scope, str):
        raise InvalidClientMetadata("scope: a text of scopes between spaces is expected.")
    scopes = tuple(dict.fromkeys(scope.split(" "))) if scope else ()
    if len(scopes) > MOST_SCOPES:
        raise InvalidClientMetadata(f"scope: at most {MOST_SCOPES} scopes.")
    for name in scopes:
        if len(name) > LONGEST_SCOPE or not _SCOPE_TOKEN.fullmatch(name):
            raise InvalidClientMetadata(
                f"scope: between single spaces, each scope has 1 to {LONGEST_SCOPE} printable ASCII"
                " characters, no quotes or backslashes (RFC 6749 section 3.3)."
            )
        _check_scope_is_allowed(name, limits)
    return scopes if scopes and limits.keeps_named_scope else limits.scopes


def _check_scope_is_allowed(name: str, limits: RegistrationLimits) -> None:
    is_allowed = name in limits.scopes if limits.scopes else name not in Client.RESERVED_SCOPES
    if not is_allowed:
        raise InvalidClientMetadata(
            f"scope: {name} is not open to this registration; leave it out."
        )


def _parse_redirect_uris(
    given: Mapping[str, object], limits: RegistrationLimits
) -> tuple[str, ...]:
    uris = _parse_uris(given, "redirect_uris")
    for uri in uris:
        if limits.redirect_hosts and not host_matches(host_of(uri), limits.redirect_hosts):
            raise InvalidRedirectURI(f"redirect_uris: {uri} is at a host that is not allowed here.")
    return uris


def _parse_uris(given: Mapping[str, object], member: str) -> tuple[str, ...]:
    uris = given.get(member, [])
    if not isinstance(uris, list) or len(uris) > MOST_ENTRIES:
        raise InvalidRedirectURI(f"{member}: a list of at most {MOST_ENTRIES} URIs is expected.")
    return tuple(dict.fromkeys(check_redirect_uri(uri, member=member) for uri in uris))


def _check_members(member: str, values: tuple[str, ...], allowed: list[str]) -> None:
    for value in values:
        if value not in allowed:
            raise InvalidClientMetadata(
                f"{member}: {value} is not available; choose from {', '.join(allowed) or 'none'}."
            )
