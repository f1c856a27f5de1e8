"""Where client identifiers that are URLs enter: the authorization endpoint and PAR (RFC 9126)."""

from collections.abc import Sequence

from ims.checks.client_document import is_document_url
from ims.services.load_document_client import load_document_client


def read_client_document(client_ids: Sequence[str]) -> None:
    """See that the record of a client with a metadata document is as its document says.

    To be called with the request's `client_id` values before the client is looked up. It blocks
    where the document must be fetched, and does nothing for any other client. Raises
    ClientDocumentRefused, which is a page and never a redirect, and TooManyRegistrations.
    """
    if len(client_ids) == 1 and is_document_url(client_ids[0]):
        load_document_client(client_id=client_ids[0])
