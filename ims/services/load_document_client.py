"""The client behind an identifier that is a URL: the Client ID Metadata Document draft, -00."""

from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from ims.checks.client_document import may_be_document
from ims.checks.host_patterns import host_matches, host_of
from ims.errors import ClientDocumentRefused, RegistrationClosed
from ims.models import Client, RegistrationPolicy
from ims.registration_rate import count_new_client
from ims.services.ensure_registration_policy import ensure_registration_policy
from ims.services.refresh_client_document import refresh_client_document

# How long what a document last said is good enough while its host does not answer.
_PATIENCE: Final = timedelta(hours=24)


def load_document_client(*, client_id: str) -> Client:
    """Return the client, from its record while that is fresh; else it blocks for a fetch.

    Known or not, its host must be one that the administrator trusts. Raises ClientDocumentRefused,
    and TooManyRegistrations for identifiers that nobody has used before.
    """
    if not may_be_document(client_id):
        raise ClientDocumentRefused(
            "client_id: a URL must be https, with a public host name and a path, and without"
            " fragment, user name or dot segments."
        )
    known = Client.objects.select_related("document", "policy")
    client: Client | None = known.filter(client_id=client_id).first()
    policy = (client and client.policy) or ensure_registration_policy(
        source=RegistrationPolicy.Source.DOCUMENT
    )
    _check_host(client_id, policy)
    if client is None:
        return _load_new(client_id, policy)
    if client.registration_source != Client.RegistrationSource.CIMD:
        return client  # somebody gave one of our own such a name
    if _is_good(client, client.document.fresh_until):
        return client
    try:
        return refresh_client_document(url=client_id, policy=policy)
    except ClientDocumentRefused:
        client.document.refresh_from_db()
        if _is_good(client, client.document.read_at + _PATIENCE):
            return client
        raise


def _load_new(client_id: str, policy: RegistrationPolicy) -> Client:
    if not policy.is_enabled:
        raise ClientDocumentRefused("client_id: metadata documents are not taken here.")
    count_new_client(policy)
    try:
        return refresh_client_document(url=client_id, policy=policy)
    except RegistrationClosed as error:
        raise ClientDocumentRefused(f"client_id: {error.description}") from error


def _check_host(client_id: str, policy: RegistrationPolicy) -> None:
    host = host_of(client_id)
    trusted = policy.trusted_document_hosts
    if host_matches(host, policy.refused_document_hosts) or (
        trusted and not host_matches(host, trusted)
    ):
        raise ClientDocumentRefused("client_id: metadata documents of this host are not taken.")


def _is_good(client: Client, until: datetime) -> bool:
    return client.document.withdrawn_at is None and timezone.now() < until
