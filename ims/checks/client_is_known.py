"""RFC 6749 §4.1.2.1: an unknown client gets a page, never a redirect."""

from ims.authorization.request import AuthorizationRequest
from ims.models import Client
from wire.oauth_errors import UnsafeRedirect


def check(request: AuthorizationRequest) -> None:
    """Set `client`. Raises UnsafeRedirect."""
    values = request.parameters.get("client_id", ())
    if not values:
        raise UnsafeRedirect("client_id: the parameter is missing.")
    if len(values) > 1:
        raise UnsafeRedirect("client_id: send the parameter once.")
    client_id = values[0]
    # PostgreSQL has no NUL in text, and no client of ours such an identifier.
    client: Client | None = None
    if client_id.isprintable():
        client = Client.objects.filter(client_id=client_id).first()
    if client is None:
        raise UnsafeRedirect("client_id: no application is registered under this identifier.")
    if client.disabled_at is not None:
        raise UnsafeRedirect("client_id: this application is disabled.")
    request.client = client
