import pytest

from ims.models import AuditEvent, Client
from ims.services.trust_client import trust_client
from tests.factories.identity import make_client

pytestmark = pytest.mark.django_db


def make_registered(source):
    return make_client(registration_source=source).client


def test_registered_client_becomes_part_of_the_service():
    client = make_registered(Client.RegistrationSource.DCR)

    assert trust_client(client_id=client.client_id) is True

    client.refresh_from_db()
    assert client.is_first_party is True
    event = AuditEvent.objects.latest("pk")
    assert (event.client_id, event.detail["is_first_party"]) == (client.client_id, True)


def test_client_known_by_its_document_alone_does_not():
    client = make_registered(Client.RegistrationSource.CIMD)

    assert trust_client(client_id=client.client_id) is False

    client.refresh_from_db()
    assert client.is_first_party is False


def test_client_of_another_token_service_is_no_error():
    assert trust_client(client_id="elsewhere") is False
    assert not AuditEvent.objects.exists()
