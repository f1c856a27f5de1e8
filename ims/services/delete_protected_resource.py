"""The registry of protected resources: an API goes."""

from ims.models import ProtectedResource


def delete_protected_resource(*, resource: str) -> None:
    """Drop `resource` from the registry; its tokens are inactive for everyone from now on.

    Dropping it again changes nothing.
    """
    ProtectedResource.objects.filter(resource=resource).delete()
