"""What makes an upstream usable."""

import ssl
from typing import Final
from urllib.parse import urlsplit

from ams.catalog.specs import UpstreamSpec
from ams.field_checks import FieldChecks

_LONGEST_URL: Final = 512
_LONGEST_WAIT_SECONDS: Final = 600
_LONGEST_CALL_SECONDS: Final = 24 * 60 * 60


def check_upstream(spec: UpstreamSpec) -> FieldChecks:
    """Return what is wrong with `spec` by itself; runs no query."""
    checks = FieldChecks()
    checks.slug(spec.slug, "slug")
    checks.text(spec.url, "url", longest=_LONGEST_URL, required=True)
    problem = _url_problem(spec.url)
    if problem and spec.url:
        checks.add(problem, "url")
    for name in ("connect_timeout_seconds", "first_byte_timeout_seconds", "idle_timeout_seconds"):
        checks.number(getattr(spec, name), name, least=0.001, most=_LONGEST_WAIT_SECONDS)
    if spec.total_timeout_seconds:
        checks.number(
            spec.total_timeout_seconds,
            "total_timeout_seconds",
            least=0.001,
            most=_LONGEST_CALL_SECONDS,
        )
    _check_certificates(spec, checks)
    return checks


def _url_problem(url: str) -> str:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "only printable ASCII characters without spaces and backslashes are allowed."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"not a URL: {error}."
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        return "http://host:port or https://host[:port][/prefix] is needed."
    if parts.username is not None or parts.password is not None:
        return "credentials do not belong into the URL."
    if parts.query or parts.fragment or "?" in url or "#" in url:
        return "a query or fragment is not allowed."
    if {".", ".."} & set(parts.path.split("/")) or "%" in parts.path:
        return "the prefix must not have dot segments or percent-encoding."
    return ""


def _check_certificates(spec: UpstreamSpec, checks: FieldChecks) -> None:
    if not spec.ca_pem:
        return
    if not spec.ca_pem.isascii():
        checks.add("PEM is plain ASCII.", "ca_pem")
        return
    if not spec.url.startswith("https://"):
        checks.add("certificates are of use with an https URL only.", "ca_pem")
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=spec.ca_pem)
    except (ssl.SSLError, ValueError):
        checks.add("no usable PEM certificate was found in it.", "ca_pem")
