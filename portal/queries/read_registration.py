"""The live record of an application: the token service has it, we ask (RFC 7592 §2.1)."""

from dataclasses import dataclass
from typing import Any

from portal import ims_client
from portal.credential_cipher import decrypt_credential, encrypt_credential
from portal.errors import PortalError
from portal.ims_client import Registration
from portal.models import Application


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """What the token service says; `problem` is a sentence where it could not be asked."""

    metadata: dict[str, Any]
    problem: str = ""

    @property
    def uses_redirects(self) -> bool:
        return "authorization_code" in self.metadata.get("grant_types", [])


def get_credential(application: Application) -> str:
    """Return the registration access token. Raises CredentialUnreadable."""
    return decrypt_credential(
        bytes(application.registration_access_token_encrypted), client_id=application.client_id
    )


def read_registration(application: Application) -> LiveRecord:
    """Return the live record. Makes one HTTP call. Raises what the call raises."""
    answer = ims_client.get_token_service().read_client(
        uri=application.registration_client_uri, token=get_credential(application)
    )
    note_credential(application, answer)
    return LiveRecord(answer.metadata)


def find_registration(application: Application) -> LiveRecord:
    """Return the live record, or an empty one that says why. For pages that go on without."""
    try:
        return read_registration(application)
    except PortalError as error:
        return LiveRecord({}, problem=str(error))


def note_credential(application: Application, answer: Registration) -> None:
    """Keep a registration access token or address that the server renewed (RFC 7592 §3)."""
    if (
        answer.registration_client_uri == application.registration_client_uri
        and answer.registration_access_token == get_credential(application)
    ):
        return
    application.registration_client_uri = answer.registration_client_uri
    application.registration_access_token_encrypted = encrypt_credential(
        answer.registration_access_token, client_id=application.client_id
    )
    application.save(
        update_fields=["registration_client_uri", "registration_access_token_encrypted"]
    )
