"""RFC 8707 §2 and RFC 9728 §2: what an API may declare of itself as a protected resource."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from ims import conf
from ims.checks.jwt_settings import JWTSettings, parse_jwt_settings
from ims.claim_sources import DECLARABLE_CLAIMS
from ims.models import Client
from wire.oauth_errors import InvalidRequest

LONGEST_RESOURCE: Final = 512
LONGEST_NAME: Final = 128
LONGEST_DESCRIPTION: Final = 256
MOST_SCOPES: Final = 500
MOST_ENTRIES: Final = 50
_URI: Final = re.compile(r"[a-z][a-z0-9+.-]*:[!$-;=?-\[\]_a-z~]+", re.ASCII)
# RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
_SCOPE_TOKEN: Final = re.compile(r"[!#-\[\]-~]+")


@dataclass(frozen=True, slots=True)
class ResourceDeclaration:
    """A checked declaration. `scopes` maps a name to the words of the consent page.

    One that says nothing of `jwt` leaves what was chosen before, in admin for instance.
    """

    resource: str
    resource_name: str
    scopes: Mapping[str, str]
    claims: tuple[str, ...]
    introspection_clients: tuple[str, ...]
    description: str = ""
    documentation_url: str = ""
    jwt: JWTSettings | None = None

    def _describe(self) -> dict[str, str]:
        """Return the members that are words only, without those that say nothing."""
        words = {"description": self.description, "documentation_url": self.documentation_url}
        return {name: text for name, text in words.items() if text}

    def as_document(self) -> dict[str, object]:
        """Return the JSON members, as they are sent."""
        return {
            "resource": self.resource,
            "resource_name": self.resource_name,
            **self._describe(),
            "scopes": [
                {"name": name, "description": description}
                for name, description in self.scopes.items()
            ],
            "claims": list(self.claims),
            "introspection_clients": list(self.introspection_clients),
            **(self.jwt.as_document() if self.jwt else {}),
        }


def parse_resource_declaration(document: Mapping[str, Any]) -> ResourceDeclaration:
    """Return the declaration in `document`. Raises InvalidRequest, naming member and mend."""
    resource = check_resource_identifier(document.get("resource"))
    claims = _texts(document, "claims", LONGEST_NAME)
    for claim in claims:
        if claim not in DECLARABLE_CLAIMS:
            raise InvalidRequest(
                f"claims: {claim} is unknown; choose from {', '.join(DECLARABLE_CLAIMS)}."
            )
    return ResourceDeclaration(
        resource=resource,
        resource_name=_text("resource_name", document.get("resource_name", resource), LONGEST_NAME),
        scopes=_parse_scopes(document.get("scopes", [])),
        claims=claims,
        introspection_clients=_texts(document, "introspection_clients", 255),
        description=_text(
            "description", document.get("description", ""), LONGEST_DESCRIPTION, least=0
        ),
        documentation_url=_parse_web_page(document.get("documentation_url", "")),
        jwt=parse_jwt_settings(document),
    )


def check_resource_identifier(resource: object) -> str:
    """Return `resource` when it is an RFC 8707 identifier: an absolute URI without a fragment."""
    text = _text("resource", resource, LONGEST_RESOURCE)
    if not _URI.fullmatch(text):
        raise InvalidRequest(
            "resource: an absolute URI without a fragment is expected, its scheme in lower case."
        )
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise InvalidRequest("resource: it is not a URI.") from error
    if parts.scheme in {"http", "https"} and (not parts.hostname or "@" in parts.netloc):
        raise InvalidRequest("resource: a host name is expected, and no user information.")
    return text


def _parse_web_page(value: object) -> str:
    url = _text("documentation_url", value, LONGEST_RESOURCE, least=0)
    if url and not (_URI.fullmatch(url) and url.startswith(("https://", "http://"))):
        raise InvalidRequest("documentation_url: an http or https URL is expected.")
    return url


def _parse_scopes(scopes: object) -> dict[str, str]:
    if not isinstance(scopes, list) or len(scopes) > MOST_SCOPES:
        raise InvalidRequest(f"scopes: a list of at most {MOST_SCOPES} objects is expected.")
    parsed: dict[str, str] = {}
    for at, scope in enumerate(scopes):
        if not isinstance(scope, dict):
            raise InvalidRequest(f"scopes[{at}]: an object with name and description is expected.")
        name = _parse_scope_name(scope.get("name"), at)
        if name in parsed:
            raise InvalidRequest(f"scopes[{at}].name: {name} is there twice.")
        description = scope.get("description", "")
        parsed[name] = _text(f"scopes[{at}].description", description, LONGEST_DESCRIPTION, least=0)
    return parsed


def _parse_scope_name(value: object, at: int) -> str:
    name = _text(f"scopes[{at}].name", value, LONGEST_NAME)
    if not _SCOPE_TOKEN.fullmatch(name):
        raise InvalidRequest(f"scopes[{at}].name: printable ASCII, no spaces, quotes, backslashes.")
    if name in Client.RESERVED_SCOPES or name in conf.OPENID_SCOPES:
        raise InvalidRequest(f"scopes[{at}].name: {name} is reserved; choose another name.")
    return name


def _texts(document: Mapping[str, Any], member: str, longest: int) -> tuple[str, ...]:
    values = document.get(member, [])
    if not isinstance(values, list) or len(values) > MOST_ENTRIES:
        raise InvalidRequest(f"{member}: a list of at most {MOST_ENTRIES} texts is expected.")
    return tuple(dict.fromkeys(_text(member, value, longest) for value in values))


def _text(member: str, value: object, longest: int, *, least: int = 1) -> str:
    if not isinstance(value, str) or not least <= len(value) <= longest or not value.isprintable():
        raise InvalidRequest(
            f"{member}: a line of {least} to {longest} printable characters is expected."
        )
    return value
