"""A new client secret; the old one stops working at once."""

from portal import ims_client
from portal.models import Application
from portal.queries.read_registration import get_credential


def rotate_secret(*, application: Application) -> str:
    """Return the new secret, which is stored nowhere here. Raises TokenServiceUnavailable."""
    return ims_client.get_token_service().rotate_secret(
        uri=application.registration_client_uri, token=get_credential(application)
    )
