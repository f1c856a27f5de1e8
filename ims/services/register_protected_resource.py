"""The registry of protected resources: an API makes itself known (RFC 8707 §2)."""

from django.db import transaction

from ims.audit.events import Event
from ims.checks.built_in_resources import BOOTSTRAP
from ims.checks.resource_declaration import ResourceDeclaration
from ims.models import Client, ProtectedResource, ResourceScope
from ims.services.configure_jwt import configure_jwt
from ims.services.record_audit_event import record_audit_event
from wire.oauth_errors import InvalidRequest


@transaction.atomic
def register_protected_resource(
    *, declaration: ResourceDeclaration, registered_by: str
) -> ProtectedResource:
    """Return the protected resource as declared; declaring it again changes nothing.

    Tokens already issued follow at their next introspection. Raises InvalidRequest for an
    introspection client that does not exist or cannot keep a secret.
    """
    clients = _get_clients(declaration.introspection_clients)
    record, is_new = ProtectedResource.objects.update_or_create(
        resource=declaration.resource,
        defaults={
            "name": declaration.resource_name,
            "description": declaration.description,
            "documentation_url": declaration.documentation_url,
            "claims": list(declaration.claims),
            "registered_by": registered_by,
        },
    )
    if declaration.jwt is not None:
        configure_jwt(protected_resource=record, settings=declaration.jwt)
    record.introspection_clients.set(clients)
    record.scopes.exclude(name__in=declaration.scopes).delete()
    ResourceScope.objects.bulk_create(
        [
            ResourceScope(protected_resource=record, name=name, description=description)
            for name, description in declaration.scopes.items()
        ],
        update_conflicts=True,
        unique_fields=["protected_resource", "name"],
        update_fields=["description"],
    )
    if is_new or registered_by != BOOTSTRAP:  # the bootstrap declares its own at every start
        record_audit_event(
            event=Event.RESOURCE_REGISTERED,
            client_id=registered_by,
            detail={"resource": record.resource, "scopes": list(declaration.scopes)},
        )
    return record


def _get_clients(client_ids: tuple[str, ...]) -> list[Client]:
    clients = list(
        Client.objects.filter(
            client_id__in=client_ids, client_type=Client.CLIENT_CONFIDENTIAL, disabled_at=None
        )
    )
    unknown = set(client_ids) - {client.client_id for client in clients}
    if unknown:
        raise InvalidRequest(
            f"introspection_clients: no confidential client is named {', '.join(sorted(unknown))}."
        )
    return clients
