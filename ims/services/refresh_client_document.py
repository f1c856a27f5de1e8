"""A client's record, read anew from the metadata document that the client publishes."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from django.db import transaction
from django.utils import timezone

from ims.audit.events import Event
from ims.checks.client_document import parse_client_document
from ims.checks.client_metadata import ClientMetadata
from ims.checks.host_patterns import host_of
from ims.errors import ClientDocumentRefused, FetchFailed
from ims.models import Client, ClientDocument, RegistrationPolicy
from ims.outbound.get_document import Limits, StoredDocument, get_document
from ims.registration_limits import get_limits
from ims.services.record_audit_event import record_audit_event
from ims.services.take_place import take_place
from ims.services.write_client_record import write_client_record

_LIMITS: Final = Limits(accept="application/json", max_bytes=10_240, timeout_seconds=3.0)
# One text for a name that does not resolve, an address that is not public, a time-out, a status:
# whoever names a URL must not learn from us what is there.
_UNREADABLE: Final = (
    "client_id: no metadata document can be read there. It must be public, at exactly this https"
    " URL, without a redirect, and of 10 KB at most."
)


def refresh_client_document(*, url: str, policy: RegistrationPolicy) -> Client:
    """Return the client whose document is at `url`, as the document says now.

    Blocks for a fetch (3 s at most) unless the HTTP cache has it. A new client takes a place under
    `policy`. Where the document is gone or is none any more, that is noted. Raises
    ClientDocumentRefused, and RegistrationClosed for a new one.
    """
    try:
        stored = get_document(url, limits=_LIMITS)
    except FetchFailed as error:
        _note_problem(url, str(error), is_withdrawn=not error.retryable)
        raise ClientDocumentRefused(_UNREADABLE, detail=str(error)) from error
    try:
        metadata = parse_client_document(
            stored.body, url=url, media_type=stored.media_type, limits=get_limits(policy=policy)
        )
    except ClientDocumentRefused as error:
        _note_problem(url, error.description, is_withdrawn=True)
        raise
    named = replace(metadata, client_name=metadata.client_name or host_of(url))
    return _write(url, named, stored, policy)


@transaction.atomic
def _write(
    url: str, metadata: ClientMetadata, stored: StoredDocument, policy: RegistrationPolicy
) -> Client:
    client = Client.objects.select_for_update().filter(client_id=url).first()
    if client is None:
        take_place(policy=policy)  # its lock makes two first visits go one by one
        client, is_new = Client.objects.get_or_create(
            client_id=url,
            defaults={"registration_source": Client.RegistrationSource.CIMD, "policy": policy},
        )
        event = Event.CLIENT_REGISTERED if is_new else None
        _write_record(client, metadata, event)
    elif _differs(client, metadata):
        _write_record(client, metadata, Event.CLIENT_UPDATED)
    ClientDocument.objects.update_or_create(
        client=client,
        defaults={
            "read_at": _moment(stored.fetched_at),
            "fresh_until": _moment(stored.fresh_until),
            "withdrawn_at": None,
            "problem": "",
        },
    )
    return client


def _write_record(client: Client, metadata: ClientMetadata, event: Event | None) -> None:
    write_client_record(client=client, metadata=metadata)
    client.save()
    if event is not None:
        record_audit_event(
            event=event, client_id=client.client_id, detail={"with": "metadata document"}
        )


def _differs(client: Client, metadata: ClientMetadata) -> bool:
    present = Client(client_id=client.client_id)
    write_client_record(client=present, metadata=metadata)
    members = (
        "name",
        "redirect_uris",
        "post_logout_redirect_uris",
        "token_endpoint_auth_method",
        "grant_types",
        "response_types",
        "scopes",
        "metadata",
    )
    return any(getattr(present, name) != getattr(client, name) for name in members)


def _note_problem(url: str, problem: str, *, is_withdrawn: bool) -> None:
    known = ClientDocument.objects.filter(client__client_id=url)
    known.update(problem=problem[:256])
    if is_withdrawn:
        known.filter(withdrawn_at=None).update(withdrawn_at=timezone.now())


def _moment(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, tz=UTC)
