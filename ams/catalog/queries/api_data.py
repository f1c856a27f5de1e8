"""APIs as other packages see them."""

from django.conf import settings

from ams.catalog.models import API
from ams.data import APIData, OperationData, ScopeData
from ams.errors import NotFound


def get_api(*, slug: str) -> APIData:
    """Return a published API. Raises NotFound, also for one that is not published."""
    found = API.objects.filter(slug=slug, state=API.State.PUBLISHED)
    api = found.prefetch_related("operations", "scopes").first()
    if api is None:
        raise NotFound(f"There is no API {slug!r}.")
    return api_data(api)


def api_data(api: API) -> APIData:
    """Return `api` with its operations and scopes; wants both prefetched."""
    return APIData(
        id=api.id,
        slug=api.slug,
        name=api.name,
        version=api.version,
        summary=api.summary,
        description=api.description,
        tags=tuple(api.tags),
        base_path=api.base_path,
        resource=api.resource,
        public_url=settings.GATEWAY_URL + api.base_path,
        operations=tuple(
            OperationData(row.operation_id, row.method, row.path, row.summary, tuple(row.scopes))
            for row in api.operations.all()
        ),
        scopes=tuple(
            ScopeData(row.name, row.description)
            for row in sorted(api.scopes.all(), key=lambda row: row.name)
        ),
    )
