"""RFC 7591 §2 and its extensions: the members of a client's metadata without a column of their own.

They are kept and echoed as they were checked here; whoever uses one reads it from
`Client.metadata`. OpenID Connect Registration 1.0 §2, RFC 9101, RFC 9126 §6, RFC 9449 §5.2 and
RFC 9701 §6 define what RFC 7591 does not.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from django.conf import settings

from ims import conf, jws
from ims.checks.redirect_uris import check_redirect_uri
from ims.jwks import UnusableJWKS, choose_encryption_key
from wire.oauth_errors import InvalidClientMetadata, InvalidRedirectURI

MOST_ENTRIES: Final = 20
LONGEST_TEXT: Final = 255
LARGEST_JWKS_BYTES: Final = 16_384
LONGEST_MAX_AGE_SECONDS: Final = 2**31 - 1
# RFC 7591 §2.2: human-readable members may come once more for each language.
_LANGUAGE_TAG: Final = re.compile(r"[A-Za-z0-9]{1,8}(?:-[A-Za-z0-9]{1,8}){0,4}")
_PRIVATE_KEY_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# What would weaken a client that believes it is in force: better refused than left out.
_ONLY_VALUES: Final[Mapping[str, tuple[object, ...]]] = {
    "subject_type": ("public",),
    "tls_client_certificate_bound_access_tokens": (False,),
    "require_signed_request_object": (False,),
}


def parse_other_members(given: Mapping[str, object]) -> dict[str, object]:
    """Return the checked members; those that are not understood are left out (RFC 7591 §2).

    Raises InvalidClientMetadata, naming member and mend.
    """
    if "jwks" in given and "jwks_uri" in given:
        raise InvalidClientMetadata("jwks: send jwks or jwks_uri, not both.")
    for member, values in _ONLY_VALUES.items():
        if member in given and given[member] not in values:
            raise InvalidClientMetadata(f"{member}: only {json.dumps(values[0])} is available.")
    others: dict[str, object] = {}
    for member, value in given.items():
        parse = find_parser(member)
        if parse is not None:
            others[member] = parse(member, value)
    _check_encryption(others)
    return others


def _check_encryption(others: Mapping[str, object]) -> None:
    """RFC 9701 §6: an answer is only encrypted to a key that is known beforehand."""
    algorithm = others.get("introspection_encrypted_response_alg")
    if algorithm is None:
        if "introspection_encrypted_response_enc" in others:
            raise InvalidClientMetadata(
                "introspection_encrypted_response_enc: send introspection_encrypted_response_alg"
                " as well."
            )
        return
    jwks = others.get("jwks")
    try:
        # Not from jwks_uri: nobody is asked for keys while a token is introspected.
        choose_encryption_key(jwks if isinstance(jwks, dict) else None, str(algorithm))
    except UnusableJWKS as error:
        raise InvalidClientMetadata(
            f"jwks: a key for introspection_encrypted_response_alg is expected; {error}"
        ) from error


def find_parser(member: str) -> "Parser | None":
    """Return what checks `member`, with or without a language tag, or None."""
    name, tagged, tag = member.partition("#")
    if tagged:
        return _TRANSLATABLE.get(name) if _LANGUAGE_TAG.fullmatch(tag) else None
    return _OTHERS.get(name)


def parse_text(member: str, value: object) -> str:
    """Return a line that is safe to show: no control, formatting or unpaired characters."""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise InvalidClientMetadata(f"{member}: a text of at most {LONGEST_TEXT} characters.")
    if any(unicodedata.category(character).startswith("C") for character in value):
        raise InvalidClientMetadata(f"{member}: control and formatting characters are not allowed.")
    return value


def parse_texts(member: str, value: object) -> tuple[str, ...]:
    """Return the distinct lines of a list."""
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise InvalidClientMetadata(f"{member}: a list of at most {MOST_ENTRIES} texts.")
    return tuple(dict.fromkeys(parse_text(member, entry) for entry in value))


def _text_list(member: str, value: object) -> list[str]:
    return list(parse_texts(member, value))


def _web_page(member: str, value: object) -> str:
    """Return a URL that the consent page may link to: the rules of a redirect URI, web only."""
    try:
        url = check_redirect_uri(value, member=member)
    except InvalidRedirectURI as error:
        raise InvalidClientMetadata(error.description) from error
    if not url.startswith(("https:", "http:")):
        raise InvalidClientMetadata(f"{member}: an https URL is expected.")
    return url


def _secure_page(member: str, value: object) -> str:
    """Return an address that we or a browser go to: https, or loopback where that may be asked."""
    url = _web_page(member, value)
    if not url.startswith("https:") and not settings.OUTBOUND_ALLOW_PRIVATE:
        raise InvalidClientMetadata(f"{member}: an https URL is expected.")
    return url


def _application_type(member: str, value: object) -> str:
    if value not in ("web", "native"):  # a set would ask an array for its hash
        raise InvalidClientMetadata(f"{member}: choose web or native.")
    return str(value)


def _algorithm(names: tuple[str, ...]) -> "Parser":
    def parse(member: str, value: object) -> str:
        if value not in names:  # a set would ask an array for its hash
            raise InvalidClientMetadata(f"{member}: choose from {', '.join(names)}.")
        return str(value)

    return parse


def _encryption_algorithm(member: str, value: object) -> str:
    if value not in conf.SUPPORTED_ENCRYPTION_ALGORITHMS:
        raise InvalidClientMetadata(
            f"{member}: choose from {', '.join(conf.SUPPORTED_ENCRYPTION_ALGORITHMS)}."
        )
    return str(value)


def _content_encryption(member: str, value: object) -> str:
    if value not in conf.SUPPORTED_CONTENT_ENCRYPTIONS:
        raise InvalidClientMetadata(
            f"{member}: choose from {', '.join(conf.SUPPORTED_CONTENT_ENCRYPTIONS)}."
        )
    return str(value)


def _boolean(member: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidClientMetadata(f"{member}: true or false is expected.")
    return value


def _seconds(member: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= LONGEST_MAX_AGE_SECONDS:
        raise InvalidClientMetadata(f"{member}: a whole number of seconds is expected.")
    return value


def _jwks(member: str, value: object) -> object:
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise InvalidClientMetadata(f"{member}: a JWK Set with a list of keys is expected.")
    if any(_PRIVATE_KEY_MEMBERS & key.keys() for key in keys):
        raise InvalidClientMetadata(f"{member}: send public keys only, and replace these keys.")
    if len(json.dumps(value)) > LARGEST_JWKS_BYTES:
        raise InvalidClientMetadata(f"{member}: at most {LARGEST_JWKS_BYTES} bytes.")
    return value


Parser = Callable[[str, object], object]
_TRANSLATABLE: Final[dict[str, Parser]] = {
    "client_name": parse_text,
    "client_uri": _web_page,
    "logo_uri": _web_page,
    "policy_uri": _web_page,
    "tos_uri": _web_page,
}
_OTHERS: Final[dict[str, Parser]] = {
    **{name: parse for name, parse in _TRANSLATABLE.items() if name != "client_name"},
    "application_type": _application_type,
    "contacts": _text_list,
    "default_acr_values": _text_list,
    "default_max_age": _seconds,
    "dpop_bound_access_tokens": _boolean,
    "id_token_signed_response_alg": _algorithm(conf.SUPPORTED_SIGNING_ALGORITHMS),
    "initiate_login_uri": _secure_page,
    "introspection_encrypted_response_alg": _encryption_algorithm,
    "introspection_encrypted_response_enc": _content_encryption,
    "introspection_signed_response_alg": _algorithm(conf.SUPPORTED_SIGNING_ALGORITHMS),
    "jwks": _jwks,
    "jwks_uri": _secure_page,
    "require_auth_time": _boolean,
    "require_pushed_authorization_requests": _boolean,
    "software_id": parse_text,
    "software_version": parse_text,
    "token_endpoint_auth_signing_alg": _algorithm(jws.ALGORITHMS),
}
