"""Tell the token service which resources there are: the outbox side."""

from typing import Any, Final

from django.db import transaction

from ams.catalog.models import API, ResourceRegistration
from ams.catalog.services.deliver_resource_registrations import deliver_resource_registrations

GATEWAY_CLIENT_ID: Final = "tollgate-gateway"


def queue_resource_registration(*, api: API, former_resource: str = "") -> None:
    """Note in this transaction what the token service must learn about `api`.

    Only a published API is a resource that tokens can be made for. Delivery is tried once the
    transaction commits; a failure there is left to the periodic task.
    """
    wanted: dict[str, Any] | None = None
    if api.state == API.State.PUBLISHED:
        wanted = _document(api)
    if former_resource and former_resource != api.resource:
        _note(former_resource, None)
    _note(api.resource, wanted)
    transaction.on_commit(deliver_resource_registrations, robust=True)


def withdraw_resource(*, resource: str) -> None:
    """Note in this transaction that `resource` is no more."""
    _note(resource, None)
    transaction.on_commit(deliver_resource_registrations, robust=True)


def _note(resource: str, document: dict[str, Any] | None) -> None:
    row = ResourceRegistration.objects.select_for_update().filter(pk=resource).first()
    if row is None:
        if document is not None:
            ResourceRegistration.objects.create(resource=resource, document=document)
        return
    if row.document == document:
        return  # known already, or on its way
    row.document, row.delivered_at, row.attempts, row.last_error = document, None, 0, ""
    row.save()


def _document(api: API) -> dict[str, Any]:
    return {
        "resource": api.resource,
        "resource_name": api.name,
        "description": " ".join(api.summary.split()),
        "documentation_url": api.documentation_url,
        "scopes": [
            {"name": scope.name, "description": scope.description}
            for scope in api.scopes.order_by("name")
        ],
        "claims": sorted(api.claims),
        "introspection_clients": [GATEWAY_CLIENT_ID],
    }
