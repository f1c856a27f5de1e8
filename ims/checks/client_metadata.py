"""RFC 7591 §2: what a client may say of itself, with the RFC's defaults filled in."""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ims.checks.redirect_uris import check_redirect_uri
from ims.models import Client
from wire.oauth_errors import InvalidClientMetadata, InvalidRedirectURI

SUPPORTED_GRANT_TYPES: Final[tuple[str, ...]] = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
)
MOST_ENTRIES: Final = 20
LONGEST_TEXT: Final = 255
LONGEST_SCOPE: Final = 128
MOST_SCOPES: Final = 100
LARGEST_JWKS_BYTES: Final = 16_384
# RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
_SCOPE_TOKEN: Final = re.compile(r"[!#-\[\]-~]+")
# RFC 7591 §2.2: human-readable members may come once more for each language.
_LANGUAGE_TAG: Final = re.compile(r"[A-Za-z0-9]{1,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_PRIVATE_KEY_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@dataclass(frozen=True, slots=True)
class RegistrationLimits:
    """What the registrar's initial access token lets a client ask for."""

    grant_types: tuple[str, ...]
    scopes: tuple[str, ...] = ()  # empty: every scope but the reserved ones


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
    (RFC 7592 §2.2). Raises InvalidRedirectURI and InvalidClientMetadata, naming member and mend.
    """
    given = {name: value for name, value in document.items() if value is not None}
    grant_types = _parse_grant_types(given, limits)
    metadata = ClientMetadata(
        redirect_uris=_parse_uris(given, "redirect_uris"),
        post_logout_redirect_uris=_parse_uris(given, "post_logout_redirect_uris"),
        token_endpoint_auth_method=_parse_auth_method(given),
        grant_types=grant_types,
        response_types=_parse_response_types(given, grant_types),
        scopes=_parse_scope(given, limits),
        client_name=_text("client_name", given.get("client_name", "")),
        others=_parse_others(given),
    )
    _check_consistency(metadata)
    return metadata


def _check_consistency(metadata: ClientMetadata) -> None:
    """RFC 7591 §2.1 and what follows from it."""
    by_code = "authorization_code" in metadata.grant_types
    is_public = metadata.token_endpoint_auth_method == Client.AuthMethod.NONE
    if by_code and not metadata.redirect_uris:
        raise InvalidRedirectURI("redirect_uris: authorization_code needs at least one.")
    if by_code != ("code" in metadata.response_types):
        raise InvalidClientMetadata(
            "response_types: code and the grant type authorization_code go together."
        )
    if "refresh_token" in metadata.grant_types and not by_code:
        raise InvalidClientMetadata("grant_types: refresh_token needs authorization_code too.")
    if "client_credentials" in metadata.grant_types and is_public:
        raise InvalidClientMetadata(
            "grant_types: client_credentials needs a secret; choose client_secret_basic or"
            " client_secret_post as token_endpoint_auth_method."
        )


def _parse_grant_types(given: Mapping[str, object], limits: RegistrationLimits) -> tuple[str, ...]:
    grant_types = _texts("grant_types", given.get("grant_types", ["authorization_code"]))
    if not grant_types:
        raise InvalidClientMetadata("grant_types: name at least one.")
    allowed = [name for name in SUPPORTED_GRANT_TYPES if name in limits.grant_types]
    _check_members("grant_types", grant_types, allowed)
    return grant_types


def _parse_response_types(
    given: Mapping[str, object], grant_types: tuple[str, ...]
) -> tuple[str, ...]:
    # RFC 7591 §2's default is code; for a client that never sees the authorization endpoint it
    # would contradict §2.1, so such a client gets none.
    default = ["code"] if "authorization_code" in grant_types else []
    response_types = _texts("response_types", given.get("response_types", default))
    _check_members("response_types", response_types, ["code"])
    return response_types


def _parse_auth_method(given: Mapping[str, object]) -> str:
    method = given.get("token_endpoint_auth_method", Client.AuthMethod.BASIC.value)
    if method not in Client.AuthMethod.values:
        raise InvalidClientMetadata(
            f"token_endpoint_auth_method: choose {', '.join(Client.AuthMethod.values)}."
        )
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
    return scopes or limits.scopes


def _check_scope_is_allowed(name: str, limits: RegistrationLimits) -> None:
    is_allowed = name in limits.scopes if limits.scopes else name not in Client.RESERVED_SCOPES
    if not is_allowed:
        raise InvalidClientMetadata(
            f"scope: {name} is not open to this registration; leave it out."
        )


def _parse_uris(given: Mapping[str, object], member: str) -> tuple[str, ...]:
    uris = given.get(member, [])
    if not isinstance(uris, list) or len(uris) > MOST_ENTRIES:
        raise InvalidRedirectURI(f"{member}: a list of at most {MOST_ENTRIES} URIs is expected.")
    return tuple(dict.fromkeys(check_redirect_uri(uri, member=member) for uri in uris))


def _parse_others(given: Mapping[str, object]) -> dict[str, object]:
    if "jwks" in given and "jwks_uri" in given:
        raise InvalidClientMetadata("jwks: send jwks or jwks_uri, not both.")
    others: dict[str, object] = {}
    for member, value in given.items():
        name, tagged, tag = member.partition("#")
        parse = _TRANSLATABLE.get(name) if tagged else _OTHERS.get(name)
        if parse is not None and (not tagged or _LANGUAGE_TAG.fullmatch(tag)):
            others[member] = parse(member, value)
    return others


def _text(member: str, value: object) -> str:
    """Return a line that is safe to show: no control, formatting or unpaired characters."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise InvalidClientMetadata(f"{member}: a text of at most {LONGEST_TEXT} characters.")
    if any(unicodedata.category(character).startswith("C") for character in value):
        raise InvalidClientMetadata(f"{member}: control and formatting characters are not allowed.")
    return value


def _texts(member: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise InvalidClientMetadata(f"{member}: a list of at most {MOST_ENTRIES} texts.")
    return tuple(dict.fromkeys(_text(member, entry) for entry in value))


def _text_list(member: str, value: object) -> list[str]:
    return list(_texts(member, value))


def _web_page(member: str, value: object) -> str:
    """Return a URL that the consent page may link to: the rules of a redirect URI, web only."""
    try:
        url = check_redirect_uri(value, member=member)
    except InvalidRedirectURI as error:
        raise InvalidClientMetadata(error.description) from error
    if not url.startswith(("https:", "http:")):
        raise InvalidClientMetadata(f"{member}: an https URL is expected.")
    return url


def _application_type(member: str, value: object) -> str:
    if value not in ("web", "native"):  # a set would ask an array for its hash
        raise InvalidClientMetadata(f"{member}: choose web or native.")
    return str(value)


def _signing_algorithm(member: str, value: object) -> str:
    # RFC 7591 §3.2.1: the server may replace a value; the answer tells the client which one counts.
    _text(member, value)
    return "ES256"


def _jwks(member: str, value: object) -> object:
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise InvalidClientMetadata(f"{member}: a JWK Set with a list of keys is expected.")
    if any(_PRIVATE_KEY_MEMBERS & key.keys() for key in keys):
        raise InvalidClientMetadata(f"{member}: send public keys only, and replace these keys.")
    if len(json.dumps(value)) > LARGEST_JWKS_BYTES:
        raise InvalidClientMetadata(f"{member}: at most {LARGEST_JWKS_BYTES} bytes.")
    return value


def _check_members(member: str, values: tuple[str, ...], allowed: list[str]) -> None:
    for value in values:
        if value not in allowed:
            raise InvalidClientMetadata(
                f"{member}: {value} is not available; choose from {', '.join(allowed) or 'none'}."
            )


Parser = Callable[[str, object], object]
_TRANSLATABLE: Final[dict[str, Parser]] = {
    "client_name": _text,
    "client_uri": _web_page,
    "logo_uri": _web_page,
    "policy_uri": _web_page,
    "tos_uri": _web_page,
}
_OTHERS: Final[dict[str, Parser]] = {
    **{name: parse for name, parse in _TRANSLATABLE.items() if name != "client_name"},
    "application_type": _application_type,
    "contacts": _text_list,
    "id_token_signed_response_alg": _signing_algorithm,
    "jwks": _jwks,
    "jwks_uri": _web_page,
    "software_id": _text,
    "software_version": _text,
}
