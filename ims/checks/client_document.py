"""draft-ietf-oauth-client-id-metadata-document-00: a client's record, published by the client.

What a document declares beyond what is possible here is left out and not refused: it is written
for every authorization server, and names grants that only others have.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from django.conf import settings

from ims.checks.client_metadata import ClientMetadata, parse_client_metadata
from ims.checks.client_metadata_members import find_parser
from ims.checks.host_patterns import host_matches, host_of
from ims.checks.redirect_uris import LOOPBACK_HOSTS, check_redirect_uri
from ims.errors import ClientDocumentRefused
from ims.models import Client
from ims.registration_limits import RegistrationLimits
from ims.strict_json import MalformedJSON, parse_json
from wire.oauth_errors import OAuthError

LONGEST_URL: Final = 255  # the column of client identifiers
_NONE: Final = Client.AuthMethod.NONE.value
_SECRETS: Final = ("client_secret", "client_secret_expires_at")
_KEYS: Final = ("jwks", "jwks_uri")
# RFC 3986 §2 without the characters that parsers read differently.
_CHARACTERS: Final = re.compile(r"https?://[!$-;=?-\[\]_a-z~]+", re.IGNORECASE | re.ASCII)
_JSON: Final = re.compile(r"application/(?:json|[a-z0-9.!#$&^_-]+\+json)")
_MISSING: Final = object()


def is_document_url(client_id: str) -> bool:
    """Whether `client_id` can only be meant as the URL of a metadata document."""
    return client_id.startswith(("https://", "http://"))


def may_be_document(url: str) -> bool:
    """Whether a document may be at `url` at all; asks nobody.

    §3: https, a path, and neither a fragment, user information nor dot segments. Besides: a host
    name with a dot in it, or nobody's public page could be there.
    """
    if len(url) > LONGEST_URL or not _CHARACTERS.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - reading it checks it
    except ValueError:
        return False
    segments = unquote(parts.path).replace("\\", "/").split("/")
    return (
        _is_public_scheme(parts.scheme, host)
        and "@" not in parts.netloc
        and len(parts.path) > 1
        and not {".", ".."} & set(segments)
    )


def _is_public_scheme(scheme: str, host: str) -> bool:
    if settings.OUTBOUND_ALLOW_PRIVATE and host in LOOPBACK_HOSTS:
        return True  # somebody tries it out on one machine
    is_name = "." in host.strip(".") and not host.replace(".", "").isdigit() and ":" not in host
    return scheme == "https" and is_name


def parse_client_document(
    body: bytes, *, url: str, media_type: str, limits: RegistrationLimits
) -> ClientMetadata:
    """Return the record in the document at `url`.

    Raises ClientDocumentRefused, naming the member. It may be told to whoever asks: everybody can
    read the document.
    """
    if not _JSON.fullmatch(media_type):
        raise ClientDocumentRefused("client_id: its document must be served as application/json.")
    document = _read_object(body)
    # §4.1: "MUST match the URL of the document using simple string comparison".
    if document.get("client_id") != url:
        raise ClientDocumentRefused("client_id: its document names another client_id.")
    # §4.1: nobody can share a secret with the reader of a public page.
    for member in _SECRETS:
        if member in document:
            raise ClientDocumentRefused(f"client_id: its document must not hold {member}.")
    try:
        return parse_client_metadata(_keep_possible(document, limits), limits=limits)
    except OAuthError as error:
        raise ClientDocumentRefused(f"client_id: its document: {error.description}") from error


def _read_object(body: bytes) -> dict[str, object]:
    try:
        document = parse_json(body)
    except MalformedJSON as error:
        raise ClientDocumentRefused(f"client_id: its document: {error}") from error
    if not isinstance(document, dict):
        raise ClientDocumentRefused("client_id: its document must be a JSON object.")
    return document


def _keep_possible(document: Mapping[str, object], limits: RegistrationLimits) -> dict[str, object]:
    """Return the document cut to what it can have here.

    Its `scope` is left out: it says what the client would like anywhere, and would keep it from
    the scopes of the APIs that are here.
    """
    kept = {member: document[member] for member in document if _is_sound(member, document[member])}
    kept["token_endpoint_auth_method"] = _choose_auth_method(document, limits)
    if kept["token_endpoint_auth_method"] != _NONE:
        # Without its keys it could not authenticate: these must be right, and say what is wrong.
        kept |= {member: document[member] for member in _KEYS if member in document}
    declared = document.get("grant_types", ["authorization_code"])
    kept["grant_types"] = _keep(declared, limits.allowed_grant_types())
    kept["response_types"] = _keep(document.get("response_types", ["code"]), ["code"])
    for member in ("redirect_uris", "post_logout_redirect_uris"):
        if isinstance(document.get(member), list):
            kept[member] = [uri for uri in document[member] if _may_be_used(uri, limits)]  # type: ignore[attr-defined]  # it is a list
    return kept


def _is_sound(member: str, value: object) -> bool:
    """Whether a member that only adds to the record is one of ours and well-formed."""
    parse = find_parser(member) if member != "client_name" else find_parser("client_name#en")
    if parse is None:
        return False
    try:
        parse(member, value)
    except OAuthError:
        return False
    return True


def _choose_auth_method(document: Mapping[str, object], limits: RegistrationLimits) -> object:
    """Return the method that the document declares, or one of its others that is possible here.

    RFC 7591 §2's default is a secret, which no document can have: then it is `none`.
    """
    declared = document.get("token_endpoint_auth_method", _NONE)
    allowed = limits.allowed_auth_methods()
    if declared in allowed:
        return declared
    others = document.get("token_endpoint_auth_methods_supported", [])
    return next(iter(_keep(others, allowed)), declared)


def _keep(values: object, known: Iterable[str]) -> list[str]:
    declared = values if isinstance(values, list) else []
    return [name for name in known if name in declared]


def _may_be_used(uri: object, limits: RegistrationLimits) -> bool:
    try:
        checked = check_redirect_uri(uri, member="redirect_uris")
    except OAuthError:
        return False
    return not limits.redirect_hosts or host_matches(host_of(checked), limits.redirect_hosts)
