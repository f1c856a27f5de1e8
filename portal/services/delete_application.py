"""An application goes: its client, its subscriptions, our note of it, in this order."""

from contextlib import suppress

from django.db import transaction

from ams import api as ams_api
from portal import ims_client
from portal.errors import RegistrationGone
from portal.models import Application
from portal.queries.read_registration import get_credential


def delete_application(*, application: Application) -> int:
    """Remove the client at the token service (RFC 7592 §2.3) and return the subscriptions ended.

    The client goes first: when that fails nothing has changed. A client that
    is already away (an earlier attempt broke off) is no error.
    """
    with suppress(RegistrationGone):
        ims_client.get_token_service().delete_client(
            uri=application.registration_client_uri, token=get_credential(application)
        )
    with transaction.atomic():
        ended = ams_api.cancel_client_subscriptions(client_id=application.client_id)
        application.delete()
    return ended
