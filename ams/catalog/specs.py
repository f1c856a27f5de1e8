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


@dataclass(frozen=True, slots=True, kw_only=True)
class APISpec:
    """`upstream` is a slug. An empty `resource` means the gateway's URL and the base path."""

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
    scopes: tuple[ScopeSpec, ...] = ()
    operations: tuple[OperationSpec, ...] = ()
    openapi: Mapping[str, Any] | None = None
