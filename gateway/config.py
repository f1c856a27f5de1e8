"""What an installation may change, read from the environment once per process."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.dataplane import trusted_hops
from gateway.dataplane.trusted_hops import TrustedHops
from gateway.tracing.settings import TraceSettings, read_settings

CLIENT_ID: Final = "tollgate-gateway"
_MOST_SECONDS: Final = 3600
_CODE_DIR: Final = Path(__file__).resolve().parent.parent


class BadConfiguration(Exception):
    """The gateway cannot start; the message is one sentence that names the mend."""


@dataclass(frozen=True, slots=True)
class IntrospectionSettings:
    """Another vendor's token service, whose tokens are taken instead of ours."""

    issuer: str
    url: str  # empty: by discovery
    client_id: str
    client_secret: str
    ca_pem: str
    max_age_seconds: float | None = None  # None: as the answers say
    form: str = "json"  # of its answers: json (RFC 7662) or jwt (RFC 9701)


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one gateway node."""

    home: Path
    issuer: str
    control_url: str
    issuer_ca_pem: str
    client_id: str
    client_secret: str
    redis_url: str
    bind: str
    port: int
    admin_port: int
    workers: int
    certificate: Path | None  # None: plain HTTP
    key: Path | None
    hosts: frozenset[str]  # lower case, without port
    trusted_hops: TrustedHops
    node: str
    takes_any_token: bool  # else prefix and checksum of ours are required
    access_log: str  # a path, "-" for standard output, "" for none
    max_cached_tokens: int
    max_cached_bytes: int
    invalid_tokens_a_minute: int = 600  # per address and worker; 0: no bound
    native: str = "auto"  # "auto": compiled modules where there are some; "on": nothing else; "off"
    tracing: TraceSettings | None = None  # None: nothing is traced
    grace_seconds: float = 0.0  # between a readiness that is false and the end of the service
    drain_seconds: float = 10.0  # for calls under way, at the end
    allows_internal_upstreams: bool = False  # for all, whatever they say themselves
    forward_auth_bind: str = "127.0.0.1"
    forward_auth_port: int = 0  # 0: nobody is answered
    connections_per_address: int = 2000  # of one worker; 0: no bound

    introspection: IntrospectionSettings | None = None  # None: our own token service
    signing_key: Path = Path()
    public_url: str = ""

    @property
    def token_issuer(self) -> str:
        """Whose tokens are taken."""
        return self.issuer if self.introspection is None else self.introspection.issuer

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where workers listen: for calls, and for forward-auth if that is wanted."""
        found = [(self.bind, self.port)]
        if self.forward_auth_port:
            found.append((self.forward_auth_bind, self.forward_auth_port))
        return found

    @property
    def directory(self) -> Path:
        """Where the gateway keeps its own files."""
        return self.home / "gateway"

    @property
    def run_directory(self) -> Path:
        """Where the counters of the running workers are."""
        return self.home / "run" / "gateway"

    @property
    def usage_directory(self) -> Path:
        """Where usage waits to be shipped."""
        return self.directory / "usage"


def load() -> Config:
    """Return the settings of this process. Raises BadConfiguration."""
    home = Path(_text("TOLLGATE_HOME", str(_CODE_DIR / "var"))).resolve()
    port = _integer("TOLLGATE_GATEWAY_PORT", 8443)
    issuer = _text("TOLLGATE_ISSUER", f"http://localhost:{_text('TOLLGATE_WEB_PORT', '8000')}")
    certificate, key = _certificate(home)
    introspection = _introspection()
    usual_format = "tollgate" if introspection is None else "any"
    format_of_tokens = _text("TOLLGATE_GATEWAY_TOKEN_FORMAT", usual_format)
    if format_of_tokens not in {"tollgate", "any"}:
        raise BadConfiguration("TOLLGATE_GATEWAY_TOKEN_FORMAT must be tollgate or any.")
    native = _text("TOLLGATE_GATEWAY_NATIVE", "auto")
    if native not in {"auto", "on", "off"}:
        raise BadConfiguration("TOLLGATE_GATEWAY_NATIVE must be auto, on or off.")
    return Config(
        home=home,
        issuer=_origin("TOLLGATE_ISSUER", issuer),
        control_url=_origin("TOLLGATE_CONTROL_URL", _text("TOLLGATE_CONTROL_URL", issuer)),
        issuer_ca_pem=_pem("TOLLGATE_ISSUER_CA_FILE"),
        client_id=CLIENT_ID,
        client_secret=_client_secret(home),
        redis_url=_redis_url(home),
        bind=_text("TOLLGATE_GATEWAY_BIND", "127.0.0.1"),
        port=port,
        admin_port=_integer("TOLLGATE_GATEWAY_ADMIN_PORT", 9443),
        workers=max(1, _integer("TOLLGATE_GATEWAY_WORKERS", 2)),
        certificate=certificate,
        key=key,
        hosts=served_hosts(),
        introspection=introspection,
        signing_key=Path(
            _text("TOLLGATE_GATEWAY_SIGNING_KEY", str(home / "gateway" / "signing-key.pem"))
        ),
        public_url=_text("TOLLGATE_GATEWAY_URL", f"https://localhost:{port}").rstrip("/"),
        trusted_hops=_trusted_hops(),
        node=_text("TOLLGATE_GATEWAY_NODE", os.uname().nodename),
        takes_any_token=format_of_tokens == "any",
        tracing=_tracing(),
        grace_seconds=_seconds("TOLLGATE_GATEWAY_GRACE_SECONDS", 0.0),
        drain_seconds=_seconds("TOLLGATE_GATEWAY_DRAIN_SECONDS", 10.0),
        allows_internal_upstreams=_text("TOLLGATE_UPSTREAMS_ALLOW_INTERNAL", "off").lower()
        in {"on", "1", "true", "yes"},
        access_log=_text("TOLLGATE_GATEWAY_ACCESS_LOG", ""),
        max_cached_tokens=_integer("TOLLGATE_GATEWAY_CACHED_TOKENS", 100_000),
        max_cached_bytes=_integer("TOLLGATE_GATEWAY_CACHED_BYTES", 256 * 1024 * 1024),
        invalid_tokens_a_minute=_integer("TOLLGATE_GATEWAY_INVALID_TOKENS_PER_MINUTE", 600),
        native=native,
        forward_auth_bind=_text("TOLLGATE_GATEWAY_FORWARD_AUTH_BIND", "127.0.0.1"),
        forward_auth_port=_integer("TOLLGATE_GATEWAY_FORWARD_AUTH_PORT", 0),
        connections_per_address=_integer("TOLLGATE_GATEWAY_CONNECTIONS_PER_ADDRESS", 2000),
    )


def _text(name: str, default: str) -> str:
    return os.environ.get(name) or default


def _integer(name: str, default: int) -> int:
    raw = _text(name, str(default))
    try:
        return int(raw)
    except ValueError as error:
        raise BadConfiguration(f"{name} must be a whole number, not {raw!r}.") from error


def _seconds(name: str, default: float) -> float:
    raw = _text(name, str(default))
    try:
        seconds = float(raw)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _MOST_SECONDS:
        raise BadConfiguration(f"{name} must be a number from 0 to {_MOST_SECONDS}, not {raw!r}.")
    return seconds


def _tracing() -> TraceSettings | None:
    try:
        return read_settings(os.environ)
    except ValueError as error:
        raise BadConfiguration(str(error)) from error


def _origin(name: str, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadConfiguration(f"{name} must be an http or https URL, not {url!r}.")
    return url.rstrip("/")


def _pem(name: str) -> str:
    path = _text(name, "")
    if not path:
        return ""
    try:
        return Path(path).read_text()
    except OSError as error:
        raise BadConfiguration(f"{name} names {path}, which cannot be read.") from error


def _certificate(home: Path) -> tuple[Path | None, Path | None]:
    if _text("TOLLGATE_GATEWAY_TLS", "on").lower() in {"off", "0", "false", "no"}:
        return None, None
    certificate = Path(_text("TOLLGATE_GATEWAY_CERT", str(home / "tls" / "gateway.pem")))
    key = Path(_text("TOLLGATE_GATEWAY_KEY", str(home / "tls" / "gateway-key.pem")))
    for path, variable in ((certificate, "CERT"), (key, "KEY")):
        if not path.is_file():
            raise BadConfiguration(
                f"The gateway's TLS file {path} does not exist: run `manage.py bootstrap`, or set "
                f"TOLLGATE_GATEWAY_{variable}."
            )
    return certificate, key


def _client_secret(home: Path) -> str:
    given = os.environ.get("TOLLGATE_GATEWAY_CLIENT_SECRET")
    if given:
        return given
    path = home / "secrets" / f"{CLIENT_ID}.json"
    try:
        return str(json.loads(path.read_bytes())["client_secret"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadConfiguration(
            f"The gateway has no credentials ({path} cannot be read): run `manage.py bootstrap`, "
            "or set TOLLGATE_GATEWAY_CLIENT_SECRET."
        ) from error


def _introspection() -> IntrospectionSettings | None:
    issuer = _text("TOLLGATE_GATEWAY_INTROSPECTION_ISSUER", "")
    if not issuer:
        return None
    client_id, secret = (
        _text("TOLLGATE_GATEWAY_INTROSPECTION_CLIENT_ID", ""),
        _text("TOLLGATE_GATEWAY_INTROSPECTION_CLIENT_SECRET", ""),
    )
    if not (client_id and secret):
        raise BadConfiguration(
            "TOLLGATE_GATEWAY_INTROSPECTION_CLIENT_ID and _CLIENT_SECRET must be set."
        )
    url = _text("TOLLGATE_GATEWAY_INTROSPECTION_URL", "")
    max_age, form = (
        _integer("TOLLGATE_GATEWAY_INTROSPECTION_MAX_AGE", -1),
        _text("TOLLGATE_GATEWAY_INTROSPECTION_FORM", "json"),
    )
    if form not in {"json", "jwt"}:
        raise BadConfiguration("TOLLGATE_GATEWAY_INTROSPECTION_FORM must be json or jwt.")
    return IntrospectionSettings(
        # RFC 8414 §3.3: compared as it is, so a slash at its end is the issuer's own.
        issuer=_origin("TOLLGATE_GATEWAY_INTROSPECTION_ISSUER", issuer)
        + ("/" if issuer.endswith("/") else ""),
        url=url and _origin("TOLLGATE_GATEWAY_INTROSPECTION_URL", url),
        client_id=client_id,
        client_secret=secret,
        ca_pem=_pem("TOLLGATE_GATEWAY_INTROSPECTION_CA_FILE"),
        max_age_seconds=None if max_age < 0 else float(max_age),
        form=form,
    )


def _redis_url(home: Path) -> str:
    given = os.environ.get("REDIS_URL")
    if given:
        return given
    path = home / "run" / "services.json"
    try:
        return str(json.loads(path.read_bytes())["REDIS_URL"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadConfiguration(
            f"REDIS_URL is not set and {path} names no embedded server: set REDIS_URL."
        ) from error


def _trusted_hops() -> TrustedHops:
    text = _text("TOLLGATE_GATEWAY_TRUSTED_HOPS", "")
    field = _text("TOLLGATE_GATEWAY_TRUSTED_FIELD", trusted_hops.FIELDS[0]).lower()
    if field not in trusted_hops.FIELDS:
        raise BadConfiguration(
            f"TOLLGATE_GATEWAY_TRUSTED_FIELD must be {' or '.join(trusted_hops.FIELDS)}."
        )
    try:
        return TrustedHops(trusted_hops.read_networks(text), field=field)
    except ValueError as error:
        raise BadConfiguration(
            f"TOLLGATE_GATEWAY_TRUSTED_HOPS must be addresses and CIDR blocks: {error}."
        ) from error


def served_hosts() -> frozenset[str]:
    """Return the hosts that are served, in lower case and without port."""
    given = os.environ.get("TOLLGATE_GATEWAY_HOSTS", "").lower().replace(",", " ").split()
    public = urlsplit(os.environ.get("TOLLGATE_GATEWAY_URL", "")).hostname
    names = given or ["localhost", "127.0.0.1", "[::1]"]
    return frozenset([*names, public] if public else names)
