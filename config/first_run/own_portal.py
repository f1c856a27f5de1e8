"""The portal of this installation, as a client of its token service."""

from ims.services.trust_client import trust_client
from portal.own_client import OwnClient, find_own_client
from portal.services.register_portal_client import register_portal_client


def register_own_portal() -> OwnClient:
    """Return the portal's client; a new one is trusted, so that nobody is asked for consent.

    People come to the portal from the very service that they would allow it to ask. What an
    administrator decides later stays: a registration that still works is left as it is. At another
    token service nothing is trusted from here. Raises PortalError.
    """
    before = find_own_client()
    client = register_portal_client()
    if before is None or before.client_id != client.client_id:
        trust_client(client_id=client.client_id)
    return client
