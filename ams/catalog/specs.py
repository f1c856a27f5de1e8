"""The catalog as its callers write it: admin, YAML and REST all hand these to the services."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSpec:
    url: str
    weight: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSpec:
    """`path` is asked from the root of each target's host, also when the upstream is saved."""

    path: str
    interval_seconds: float = 10.0
    timeout_seconds: float = 2.0
    healthy_after: int = 2
    unhealthy_after: int = 3
    check_on_save: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSpec:
    """`url` is the address where there is one; `targets` are several. One of the two is given."""

    slug: str
    url: str = ""
    targets: tuple[TargetSpec, ...] = ()
    allow_internal: bool = False
    connect_timeout_seconds: float = 2.0
    first_byte_timeout_seconds: float = 30.0
    idle_timeout_seconds: float = 30.0
    total_timeout_seconds: float = 0.0
    ca_pem: str = ""
    health: HealthSpec | None = None
    eject_after: int = 5
    ejection_seconds: float = 10.0

    @property
    def addresses(self) -> tuple[TargetSpec, ...]:
        """Return the targets, also where there is one only."""
        return self.targets or (TargetSpec(url=self.url),)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerClientSpec:
    """`subscribed_as` is the client id of the subscription that calls of the client count for."""

    client_id: str
    subscribed_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerSpec:
    """An authorization server of others.

    A client that `clients` does not name is subscribed as `<slug>:<client id>`. An empty
    `jwks_uri` is found by discovery; an empty `audience` means the resource of the API.
    """

    slug: str
    issuer: str
    jwks_uri: str = ""
    audience: str = ""
    algorithms: tuple[str, ...] = ("ES256", "RS256")
    scope_claim: str = "scope"
    client_id_claim: str = "client_id"
    clients: tuple[IssuerClientSpec, ...] = ()
    ca_pem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CORSSpec:
    """Which pages of other origins may call. No `methods`: those that the path has."""

    origins: tuple[str, ...]
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed_headers: tuple[str, ...] = ()
    credentials: bool = False
    max_age_seconds: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeSpec:
    name: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSpec:
    operation_id: str
    method: str
    path: str
    summary: str = ""
    scopes: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    max_auth_age_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class APISpec:
    """`upstream` and `issuers` are slugs. An empty `resource`: the gateway's URL and base path.

    `acr_values` and `max_auth_age_seconds` (RFC 9470) hold where an operation has none of its own.
    """

    slug: str
    name: str
    base_path: str
    upstream: str
    version: str = ""
    summary: str = ""
    description: str = ""
    documentation_url: str = ""
    tags: tuple[str, ...] = ()
    state: str = "published"
    resource: str = ""
    allow_encoded_slash: bool = False
    max_body_bytes: int = 10_485_760
    allow_websocket: bool = False
    websocket_origins: tuple[str, ...] = ()
    websocket_idle_seconds: float = 300.0
    claims: tuple[str, ...] = ()
    cors: CORSSpec | None = None
    acr_values: tuple[str, ...] = ()
    max_auth_age_seconds: int | None = None
    requires_bound_tokens: bool = False
    requires_dpop_nonce: bool = False
    issuers: tuple[str, ...] = ()
    scopes: tuple[ScopeSpec, ...] = ()
    operations: tuple[OperationSpec, ...] = ()
    openapi: Mapping[str, Any] | None = None
