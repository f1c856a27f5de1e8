"""The catalog written back as the services take it: what is saved is what is read."""

from django.conf import settings

from ams.catalog.models import API, Issuer, Upstream
from ams.catalog.specs import (
    APISpec,
    CORSSpec,
    HealthSpec,
    IssuerClientSpec,
    IssuerSpec,
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


def spec_of_issuer(issuer: Issuer) -> IssuerSpec:
    return IssuerSpec(
        slug=issuer.slug,
        issuer=issuer.issuer,
        jwks_uri=issuer.jwks_uri,
        audience=issuer.audience,
        algorithms=tuple(issuer.algorithms),
        scope_claim=issuer.scope_claim,
        client_id_claim=issuer.client_id_claim,
        clients=tuple(IssuerClientSpec(**row) for row in issuer.clients),
        ca_pem=issuer.ca_pem,
    )


def spec_of_cors(api: API) -> CORSSpec | None:
    """Return what other origins may do, None where they may nothing."""
    if not api.cors_origins:
        return None
    return CORSSpec(
        origins=tuple(api.cors_origins),
        methods=tuple(api.cors_methods),
        headers=tuple(api.cors_headers),
        exposed_headers=tuple(api.cors_exposed_headers),
        credentials=api.cors_credentials,
        max_age_seconds=api.cors_max_age_seconds,
    )


def spec_of_resource(api: API) -> str:
    """Return the API's resource, or nothing for the default: that moves with gateway and path."""
    return "" if api.resource == settings.GATEWAY_URL + api.base_path else api.resource


def spec_of_api(api: API) -> APISpec:
    """Return the spec that `save_api` would turn into `api`. Runs up to four queries."""
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
        cors=spec_of_cors(api),
        acr_values=tuple(api.acr_values),
        max_auth_age_seconds=api.max_auth_age_seconds,
        requires_bound_tokens=api.requires_bound_tokens,
        requires_dpop_nonce=api.requires_dpop_nonce,
        issuers=tuple(sorted(issuer.slug for issuer in api.issuers.all())),
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
                acr_values=tuple(row.acr_values),
                max_auth_age_seconds=row.max_auth_age_seconds,
            )
            for row in sorted(api.operations.all(), key=lambda row: row.pk)
        ),
        openapi=api.openapi,
    )
