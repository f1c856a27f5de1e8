"""Name and redirect URIs of an application change at the token service first (RFC 7592 §2.2)."""

from collections.abc import Sequence
from typing import Final

from portal import ims_client
from portal.models import Application
from portal.queries.read_registration import get_credential, note_credential, read_registration

# RFC 7592 §2.2: the request MUST NOT include these; a secret we do not know is left out too.
_SERVER_MEMBERS: Final = {
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
    "client_secret",
}


def update_application(
    *, application: Application, name: str, redirect_uris: Sequence[str] | None = None
) -> Application:
    """Return the application with its new name, changed there and here.

    `redirect_uris=None` leaves them as they are. Reads the record before it
    writes, because RFC 7592 PUT replaces all of it. Raises RegistrationRefused.
    """
    record = read_registration(application)
    metadata = {key: value for key, value in record.metadata.items() if key not in _SERVER_MEMBERS}
    metadata["client_name"] = name
    if redirect_uris is not None:
        metadata["redirect_uris"] = list(redirect_uris)
    answer = ims_client.get_token_service().update_client(
        metadata, uri=application.registration_client_uri, token=get_credential(application)
    )
    note_credential(application, answer)
    application.name = name
    application.save(update_fields=["name"])
    return application
