"""Create or change an API with its scopes and operations."""

import uuid

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from ams.catalog.checks.api import check_api, is_reserved_resource
from ams.catalog.checks.overlap import RouteOf, check_overlaps
from ams.catalog.models import API, Issuer, Operation, Scope, Upstream
from ams.catalog.services.queue_resource_registration import queue_resource_registration
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.catalog.specs import APISpec, CORSSpec
from ams.errors import NotFound
from ams.field_checks import FieldChecks

_COPIED = (
    "slug",
    "name",
    "version",
    "summary",
    "description",
    "state",
    "base_path",
    "allow_encoded_slash",
    "documentation_url",
    "max_body_bytes",
    "allow_websocket",
    "websocket_idle_seconds",
    "max_auth_age_seconds",
    "requires_bound_tokens",
    "requires_dpop_nonce",
    "openapi",
)


@transaction.atomic
def save_api(*, spec: APISpec, api_id: uuid.UUID | None = None) -> API:
    """Return the API exactly as `spec` says; a new one without `api_id`.

    Scopes and operations that `spec` does not name go away. Raises InvalidFields, and NotFound
    for an unknown `api_id`.
    """
    # First of all: its row lock makes changes one after the other, so that the checks hold.
    raise_configuration_version()
    resource = spec.resource or settings.GATEWAY_URL + spec.base_path
    checks = check_api(spec)
    checks.finish()  # what is no slug and no path is not worth a query
    upstream = Upstream.objects.filter(slug=spec.upstream).first()
    if upstream is None:
        checks.add(f"there is no upstream {spec.upstream!r}.", "upstream")
    issuers = _find_issuers(spec, checks)
    _check_uniqueness(spec, resource, api_id, checks)
    check_overlaps(spec, _find_neighbours(spec, api_id), checks)
    checks.finish()
    assert upstream is not None  # noqa: S101 - finish() raised otherwise
    api = API() if api_id is None else _get(api_id)
    former_resource = api.resource
    for name in _COPIED:
        setattr(api, name, getattr(spec, name))
    api.tags, api.claims = list(spec.tags), list(spec.claims)
    api.websocket_origins = list(spec.websocket_origins)
    api.acr_values = list(spec.acr_values)
    _set_cors(api, spec.cors)
    api.upstream, api.resource = upstream, resource
    api.save()
    api.issuers.set(issuers)
    _replace_rows(api, spec)
    queue_resource_registration(api=api, former_resource=former_resource)
    return api


def _find_issuers(spec: APISpec, checks: FieldChecks) -> list[Issuer]:
    known = {issuer.slug: issuer for issuer in Issuer.objects.filter(slug__in=spec.issuers)}
    for at, slug in enumerate(spec.issuers):
        if slug not in known:
            checks.add(f"there is no issuer {slug!r}.", "issuers", at)
    return list(known.values())


def _set_cors(api: API, cors: CORSSpec | None) -> None:
    """Copy `cors`; without it, the defaults: what is left behind would come back one day."""
    given = cors or CORSSpec(origins=())
    for name in ("origins", "methods", "headers", "exposed_headers"):
        setattr(api, f"cors_{name}", list(getattr(given, name)))
    api.cors_credentials = given.credentials
    api.cors_max_age_seconds = given.max_age_seconds


def _check_uniqueness(
    spec: APISpec, resource: str, api_id: uuid.UUID | None, checks: FieldChecks
) -> None:
    others = API.objects.exclude(pk=api_id) if api_id else API.objects.all()
    for name, value in (
        ("slug", spec.slug),
        ("base_path", spec.base_path),
        ("resource", resource),
    ):
        other = others.filter(**{name: value}).first()
        if other is not None:
            checks.add(f"{value!r} is already that of the API {other.slug}.", name)
    if not spec.resource and is_reserved_resource(resource):
        checks.add("gateway URL and base path make one of the platform's resources.", "base_path")


def _find_neighbours(spec: APISpec, api_id: uuid.UUID | None) -> list[RouteOf]:
    """Return the routes of published APIs above or below the base path: no others can overlap."""
    if spec.state != API.State.PUBLISHED:
        return []  # it is checked when it is published
    segments = spec.base_path.split("/")
    above = ["/".join(segments[:length]) for length in range(2, len(segments))]
    near = Q(api__base_path__in=above) | Q(api__base_path__startswith=f"{spec.base_path}/")
    rows = Operation.objects.filter(near, api__state=API.State.PUBLISHED).exclude(api=api_id)
    found = rows.order_by("api__slug", "path", "method")
    return [
        RouteOf(method, base_path + path, slug)
        for method, path, base_path, slug in found.values_list(
            "method", "path", "api__base_path", "api__slug"
        )
    ]


def _get(api_id: uuid.UUID) -> API:
    api = API.objects.select_for_update().filter(pk=api_id).first()
    if api is None:
        raise NotFound(f"There is no API {api_id}.")
    return api


def _replace_rows(api: API, spec: APISpec) -> None:
    api.scopes.all().delete()
    api.operations.all().delete()
    Scope.objects.bulk_create(
        Scope(api=api, name=scope.name, description=scope.description) for scope in spec.scopes
    )
    Operation.objects.bulk_create(
        Operation(
            api=api,
            operation_id=row.operation_id,
            method=row.method,
            path=row.path,
            summary=row.summary,
            scopes=list(row.scopes),
            acr_values=list(row.acr_values),
            max_auth_age_seconds=row.max_auth_age_seconds,
        )
        for row in spec.operations
    )
