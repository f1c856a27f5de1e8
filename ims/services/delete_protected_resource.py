"""The registry of protected resources: an API goes."""

from ims.audit.events import Event
from ims.models import ProtectedResource
from ims.services.record_audit_event import record_audit_event


def delete_protected_resource(*, resource: str) -> None:
    """Drop `resource` from the registry; its tokens are inactive for everyone from now on.

    Dropping it again changes nothing.
    """
    deleted, _ = ProtectedResource.objects.filter(resource=resource).delete()
    if deleted:
        record_audit_event(event=Event.RESOURCE_DELETED, detail={"resource": resource})
