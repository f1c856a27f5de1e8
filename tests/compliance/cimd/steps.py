"""What a person and time do to a client with a metadata document."""

from datetime import timedelta
from types import SimpleNamespace

from django.core.cache import cache
from django.utils import timezone

from ims.models import ClientDocument
from tests.factories import authorization as flow

CIMD = "draft-ietf-oauth-client-id-metadata-document-00"
UNREADABLE = "no metadata document can be read there"


def ask(browser, client_id, **changes):
    """Send the person to the authorization endpoint as the client of that identifier would."""
    return flow.authorize(browser, SimpleNamespace(client_id=client_id), **changes)


def outlive_the_cache():
    """Let the moment come at which the document must be asked for again."""
    cache.clear()
    ClientDocument.objects.update(fresh_until=timezone.now() - timedelta(seconds=1))


def refusal_of(response):
    assert response.status_code == 400, response
    return flow.text_of(response)
