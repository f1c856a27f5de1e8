"""How an API wants its phantom JWT: signed with what, encrypted to whom (RFC 7515, RFC 7516)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ims import conf
from ims.errors import ForbiddenTarget
from ims.jwks import UnusableJWKS, check_jwks, choose_encryption_key
from ims.outbound.targets import parse_target
from wire.oauth_errors import InvalidRequest

MEMBERS: Final = ("jwt_signing_alg", "jwt_encryption_alg", "jwks", "jwks_uri")
_LONGEST_URI: Final = 512


@dataclass(frozen=True, slots=True)
class JWTSettings:
    """Checked. Keys are given (`jwks`) or published by the API (`jwks_uri`), never both."""

    signing_alg: str = conf.SIGNING_ALGORITHM
    encryption_alg: str = ""
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str = ""

    def as_document(self) -> dict[str, object]:
        """Return the JSON members, as they are sent; those without a value are left out."""
        values = (self.signing_alg, self.encryption_alg, self.jwks, self.jwks_uri)
        return {name: value for name, value in zip(MEMBERS, values, strict=True) if value}


def parse_jwt_settings(document: Mapping[str, Any]) -> JWTSettings | None:
    """Return the settings in `document`, or None when it says nothing of them.

    What it leaves out while it names another is back to the default. Raises InvalidRequest, naming
    member and mend.
    """
    if not any(name in document for name in MEMBERS):
        return None
    settings = JWTSettings(
        signing_alg=_choose(
            document, "jwt_signing_alg", conf.SUPPORTED_SIGNING_ALGORITHMS, conf.SIGNING_ALGORITHM
        ),
        encryption_alg=_choose(
            document, "jwt_encryption_alg", conf.SUPPORTED_ENCRYPTION_ALGORITHMS, ""
        ),
        jwks=_parse_jwks(document.get("jwks")),
        jwks_uri=_parse_uri(document.get("jwks_uri") or ""),
    )
    _check_keys(settings)
    return settings


def _choose(
    document: Mapping[str, Any], member: str, supported: tuple[str, ...], default: str
) -> str:
    value = document.get(member) or default
    if value != default and value not in supported:
        raise InvalidRequest(f"{member}: supported are {', '.join(supported)}.")
    return str(value)


def _parse_jwks(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    try:
        return check_jwks(value)
    except UnusableJWKS as error:
        raise InvalidRequest(f"jwks: {error}") from error


def _parse_uri(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_URI:
        raise InvalidRequest(f"jwks_uri: a URL of at most {_LONGEST_URI} characters is expected.")
    if value:
        try:
            parse_target(value)
        except ForbiddenTarget as error:
            raise InvalidRequest("jwks_uri: a public https URL is expected.") from error
    return value


def _check_keys(settings: JWTSettings) -> None:
    if settings.jwks is not None and settings.jwks_uri:
        raise InvalidRequest("jwks: send the keys or their address (jwks_uri), not both.")
    if settings.encryption_alg and settings.jwks is None and not settings.jwks_uri:
        raise InvalidRequest("jwks: a key to encrypt to is needed; send jwks or jwks_uri.")
    if settings.encryption_alg and settings.jwks is not None:
        try:
            choose_encryption_key(settings.jwks, settings.encryption_alg)
        except UnusableJWKS as error:
            raise InvalidRequest(f"jwks: {error}") from error
