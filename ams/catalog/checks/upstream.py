"""What makes an upstream usable."""

import socket
from ipaddress import IPv4Address
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from ams.catalog.specs import HealthSpec, UpstreamSpec
from ams.field_checks import FieldChecks
from wire.addresses import Address, may_be_upstream, parse_address

_LONGEST_URL: Final = 512
_LONGEST_WAIT_SECONDS: Final = 600
_LONGEST_CALL_SECONDS: Final = 24 * 60 * 60
_MOST_TARGETS: Final = 32
_HEAVIEST: Final = 100
_LONGEST_PATH: Final = 256
_TIMES: Final = ("connect_timeout_seconds", "first_byte_timeout_seconds", "idle_timeout_seconds")


def check_upstream(spec: UpstreamSpec) -> FieldChecks:
    """Return what is wrong with `spec` by itself; runs no query and asks no name server."""
    checks = FieldChecks()
    checks.slug(spec.slug, "slug")
    _check_targets(spec, checks)
    for name in _TIMES:
        checks.number(getattr(spec, name), name, least=0.001, most=_LONGEST_WAIT_SECONDS)
    if spec.total_timeout_seconds:
        checks.number(
            spec.total_timeout_seconds,
            "total_timeout_seconds",
            least=0.001,
            most=_LONGEST_CALL_SECONDS,
        )
    checks.number(spec.eject_after, "eject_after", least=0, most=1000)
    checks.number(spec.ejection_seconds, "ejection_seconds", least=0.1, most=3600)
    _check_certificates(spec, checks)
    if spec.health is not None:
        _check_health(spec.health, checks)
    return checks


def _check_targets(spec: UpstreamSpec, checks: FieldChecks) -> None:
    if spec.url or not spec.targets:
        _check_url(spec, spec.url, checks, "url")
    if spec.url and spec.targets:
        checks.add("leave it empty: the targets say where calls go.", "url")
    if len(spec.targets) > _MOST_TARGETS:
        checks.add(f"at most {_MOST_TARGETS} are served.", "targets")
    for at, target in enumerate(spec.targets):
        _check_url(spec, target.url, checks, "targets", at, "url")
        checks.number(target.weight, "targets", at, "weight", least=1, most=_HEAVIEST)
    checks.unique(((row.url, ("targets", at, "url")) for at, row in enumerate(spec.targets)), "URL")


def _check_url(spec: UpstreamSpec, url: str, checks: FieldChecks, *path: str | int) -> None:
    checks.text(url, *path, longest=_LONGEST_URL, required=True)
    if not url:
        return
    problem = _url_problem(url)
    if problem:
        checks.add(problem, *path)
        return
    # What a name resolves to may change any time: the gateway looks at each connection.
    host = (urlsplit(url).hostname or "").rstrip(".")
    address = literal_address(host)
    if address is None or may_be_upstream(address, allow_internal=is_internal_allowed(spec)):
        return
    if may_be_upstream(address, allow_internal=True):
        checks.add(f"{host} is an internal address: set allow_internal if that is meant.", *path)
    else:
        checks.add(f"{host} is an address that calls are never forwarded to.", *path)


def is_internal_allowed(spec: UpstreamSpec) -> bool:
    """Whether internal addresses may be connected to, for this upstream or for all."""
    return spec.allow_internal or bool(settings.UPSTREAMS_ALLOW_INTERNAL)


def literal_address(host: str) -> Address | None:
    """Return the address that `host` is, in any spelling that a resolver takes; None for names."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3
        return parse_address("127.0.0.1")
    address = parse_address(host)
    if address is None:
        # 127.1, 0x7f.1, 2130706433: resolvers read them as addresses.
        try:
            return IPv4Address(socket.inet_aton(host))
        except (OSError, UnicodeError):
            return None
    return address


def _check_health(health: HealthSpec, checks: FieldChecks) -> None:
    path = health.path
    checks.text(path, "health", "path", longest=_LONGEST_PATH, required=True)
    if path and (not path.startswith("/") or not path.isascii() or not path.isprintable()):
        checks.add("a path that begins with / is needed: /healthz", "health", "path")
    elif " " in path or "#" in path or "\\" in path or _has_dots(path.partition("?")[0]):
        checks.add("spaces, #, backslashes and dot segments are not allowed.", "health", "path")
    checks.number(health.interval_seconds, "health", "interval_seconds", least=0.5, most=3600)
    checks.number(health.timeout_seconds, "health", "timeout_seconds", least=0.05, most=60)
    if health.timeout_seconds > health.interval_seconds:
        checks.add("at most interval_seconds.", "health", "timeout_seconds")
    checks.number(health.healthy_after, "health", "healthy_after", least=1, most=100)
    checks.number(health.unhealthy_after, "health", "unhealthy_after", least=1, most=100)


def _has_dots(path: str) -> bool:
    return not {".", ".."}.isdisjoint(path.lower().replace("%2e", ".").split("/"))


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
    if not any(target.url.startswith("https://") for target in spec.addresses):
        checks.add("certificates are of use with an https URL only.", "ca_pem")
    else:
        checks.certificates(spec.ca_pem, "ca_pem")
