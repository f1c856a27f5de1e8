"""What makes a foreign issuer usable."""

import re
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from ams.catalog.specs import IssuerSpec
from ams.field_checks import FieldChecks

# RFC 7518 §3.1 without the MACs and `none`: whoever verifies must not be able to sign.
ALGORITHMS: Final = ("ES256", "ES384", "RS256", "PS256", "EdDSA")
_CLAIM: Final = re.compile(r"[!-~]{1,64}")
_LONGEST_URL: Final = 512
_LONGEST_CLIENT_ID: Final = 255
_MOST_CLIENTS: Final = 1000
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# Client ids of ours may be URLs (Client ID Metadata Documents), and `<slug>:` goes before theirs.
_RESERVED_SLUGS: Final = frozenset({"http", "https"})


def check_issuer(spec: IssuerSpec) -> FieldChecks:
    """Return what is wrong with `spec` by itself; runs no query."""
    checks = FieldChecks()
    checks.slug(spec.slug, "slug")
    if spec.slug in _RESERVED_SLUGS:
        checks.add("client ids of ours may begin like this; choose another.", "slug")
    _check_addresses(spec, checks)
    checks.text(spec.audience, "audience", longest=_LONGEST_URL)
    if not spec.algorithms:
        checks.add("at least one is needed.", "algorithms")
    for at, algorithm in enumerate(spec.algorithms):
        checks.choice(algorithm, ALGORITHMS, "algorithms", at)
    for name in ("scope_claim", "client_id_claim"):
        if not _CLAIM.fullmatch(getattr(spec, name)):
            checks.add("the name of a claim is needed, without spaces.", name)
    _check_clients(spec, checks)
    if spec.ca_pem:
        checks.certificates(spec.ca_pem, "ca_pem")
    return checks


def _check_addresses(spec: IssuerSpec, checks: FieldChecks) -> None:
    _check_url(spec.issuer, checks, "issuer")
    if "?" in spec.issuer:
        checks.add("an issuer has no query (RFC 8414 §2).", "issuer")
    if spec.issuer.rstrip("/") == settings.ISSUER:
        checks.add("this is our own; its tokens are taken anyway.", "issuer")
    if spec.jwks_uri:
        _check_url(spec.jwks_uri, checks, "jwks_uri")


def _check_url(url: str, checks: FieldChecks, name: str) -> None:
    checks.text(url, name, longest=_LONGEST_URL, required=True)
    try:
        parts = urlsplit(url)
        is_usable = parts.port != 0 and bool(parts.hostname) and parts.username is None
    except ValueError:
        checks.add("an https URL is needed.", name)
        return
    is_plain = url.isascii() and url.isprintable() and not set(url) & set(' "\\<>#')
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if url and not (is_usable and is_plain and is_safe):
        checks.add("an https URL without fragment is needed (http on loopback only).", name)


def _check_clients(spec: IssuerSpec, checks: FieldChecks) -> None:
    if len(spec.clients) > _MOST_CLIENTS:
        checks.add(f"at most {_MOST_CLIENTS} are possible.", "clients")
        return
    for at, client in enumerate(spec.clients):
        here = ("clients", at)
        checks.text(client.client_id, *here, "client_id", longest=_LONGEST_CLIENT_ID, required=True)
        checks.text(
            client.subscribed_as,
            *here,
            "subscribed_as",
            longest=_LONGEST_CLIENT_ID,
            required=True,
        )
    rows = enumerate(spec.clients)
    checks.unique(((row.client_id, ("clients", at, "client_id")) for at, row in rows), "client_id")
