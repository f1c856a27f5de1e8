"""The catalog written back as the services take it: what is saved is what is read."""

from django.conf import settings

from ams.catalog.models import API, Upstream
from ams.catalog.specs import (
    APISpec,
    HealthSpec,
    OperationSpec,
    ScopeSpec,
    TargetSpec,
    UpstreamSpec,
)


def spec_of_upstream(upstream: Upstream) -> UpstreamSpec:
    """Return the spec that `save_upstream` would turn into `upstream`. Runs up to one query."""
    return UpstreamSpec(
        slug=upstream.slug,
        url=upstream.url,
        targets=tuple(
            TargetSpec(url=row.url, weight=row.weight)
            for row in sorted(upstream.targets.all(), key=lambda row: row.pk)
        ),
        allow_internal=upstream.allow_internal,
        connect_timeout_seconds=upstream.connect_timeout_seconds,
        first_byte_timeout_seconds=upstream.first_byte_timeout_seconds,
        idle_timeout_seconds=upstream.idle_timeout_seconds,
        total_timeout_seconds=upstream.total_timeout_seconds,
        ca_pem=upstream.ca_pem,
        health=_health(upstream),
        eject_after=upstream.eject_after,
        ejection_seconds=upstream.ejection_seconds,
    )


def _health(upstream: Upstream) -> HealthSpec | None:
    if not upstream.health_path:
        return None
    return HealthSpec(
        path=upstream.health_path,
        interval_seconds=upstream.health_interval_seconds,
        timeout_seconds=upstream.health_timeout_seconds,
        healthy_after=upstream.health_healthy_after,
        unhealthy_after=upstream.health_unhealthy_after,
        check_on_save=upstream.health_check_on_save,
    )


def spec_of_resource(api: API) -> str:
    """Return the API's resource, or nothing for the default: that moves with gateway and path."""
    return "" if api.resource == settings.GATEWAY_URL + api.base_path else api.resource


def spec_of_api(api: API) -> APISpec:
    """Return the spec that `save_api` would turn into `api`. Runs up to three queries."""
    return APISpec(
        slug=api.slug,
        name=api.name,
        base_path=api.base_path,
        upstream=api.upstream.slug,
        version=api.version,
        summary=api.summary,
        description=api.description,
        documentation_url=api.documentation_url,
        tags=tuple(api.tags),
        state=api.state,
        resource=spec_of_resource(api),
        allow_encoded_slash=api.allow_encoded_slash,
        max_body_bytes=api.max_body_bytes,
        allow_websocket=api.allow_websocket,
        websocket_origins=tuple(api.websocket_origins),
        websocket_idle_seconds=api.websocket_idle_seconds,
        claims=tuple(api.claims),
        scopes=tuple(
            ScopeSpec(name=row.name, description=row.description)
            for row in sorted(api.scopes.all(), key=lambda row: row.pk)
        ),
        operations=tuple(
            OperationSpec(
                operation_id=row.operation_id,
                method=row.method,
                path=row.path,
                summary=row.summary,
                scopes=tuple(row.scopes),
            )
            for row in sorted(api.operations.all(), key=lambda row: row.pk)
        ),
        openapi=api.openapi,
    )
