"""RFC 6749 §3.3, RFC 8707 §2.1: the scopes exist, the client may ask, the resources offer them."""

from ims.authorization.request import AuthorizationRequest
from ims.queries import access


def check(request: AuthorizationRequest) -> None:
    """Set `scopes`, `resources` and `scope_descriptions`; runs a statement.

    Raises InvalidScope and InvalidTarget.
    """
    resolved = access.resolve_access(
        client=request.client,
        scopes=request.value("scope").split(),
        resources=request.parameters.get("resource", ()),
        for_person=True,
    )
    request.scopes = resolved.scopes
    request.resources = resolved.resources
    request.scope_descriptions = resolved.descriptions
