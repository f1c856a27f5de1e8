import re

import pytest
from django.conf import settings

from ims.models import DeviceAuthorization
from tests.factories import authorization as flow
from tests.factories import device
from tests.factories.identity import INVOICES, ORDERS, KnownClient
from wire import bearer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _registry():
    flow.make_orders()


@pytest.fixture
def tv():
    return device.make_device_client()


def refusal(response, error, status=400):
    assert response.status_code == status, response.content
    assert response["Cache-Control"] == "no-store"
    assert response.json()["error"] == error, response.json()
    return response.json()["error_description"]


@pytest.mark.compliance("RFC 8628", "3.2", "the answer: both codes, addresses, times")
def test_answer_has_every_member(client, tv):
    response = device.start(client, tv)

    assert response.status_code == 200, response.content
    assert response["Cache-Control"] == "no-store"
    document = response.json()
    assert bearer.is_well_formed(document["device_code"], bearer.Prefix.DEVICE_CODE)
    assert re.fullmatch(
        r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", document["user_code"]
    )
    assert document["verification_uri"] == f"{settings.ISSUER}/device"
    assert (
        document["verification_uri_complete"]
        == f"{settings.ISSUER}/device?user_code={document['user_code']}"
    )
    assert (document["expires_in"], document["interval"]) == (600, 5)


@pytest.mark.compliance("RFC 8628", "5.2", "both codes are kept as digests only")
def test_codes_are_stored_as_digests(client, tv):
    document = device.start(client, tv).json()

    row = DeviceAuthorization.objects.get()
    assert bytes(row.digest) == bearer.digest(document["device_code"])
    # A plain digest of so short a code would be found by trying.
    assert bytes(row.user_code_digest) != bearer.digest(document["user_code"])


@pytest.mark.compliance("RFC 8628", "3.1", "a client authenticates as at the token endpoint")
def test_wrong_secret_is_invalid_client(client, tv):
    other = device.make_device_client()
    response = device.start(client, KnownClient(tv.client, other.secret))

    refusal(response, "invalid_client", 401)


@pytest.mark.compliance("RFC 8628", "3.1", "a public client names itself by client_id")
def test_public_client_is_served(client):
    assert device.start(client, device.make_public_device_client()).status_code == 200


@pytest.mark.compliance("RFC 8628", "3.1", "a client uses only grants that it registered")
def test_client_of_other_grants_is_unauthorized(client):
    refusal(device.start(client, flow.make_code_client()), "unauthorized_client")


@pytest.mark.compliance("RFC 8628", "3.1", "unknown scopes and resources are refused at once")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "orders:read unheard:of"}, "invalid_scope"),
        ({"scope": "gateway"}, "invalid_scope"),
        ({"resource": "https://elsewhere.example/"}, "invalid_target"),
    ],
)
def test_unknown_scope_or_resource_is_refused(client, tv, changes, error):
    refusal(device.start(client, tv, **changes), error)
    assert not DeviceAuthorization.objects.exists()


def test_resource_is_kept(client, tv):
    flow.make_orders(INVOICES, scopes=("orders:read",))

    device.start(client, tv, resource=ORDERS)

    assert DeviceAuthorization.objects.get().resources == [ORDERS]


def test_other_methods_and_repeated_parameters_are_refused(client, tv):
    assert client.get("/oauth/device_authorization").status_code == 405
    refusal(device.start(client, tv, scope=["openid", "orders:read"]), "invalid_request")


@pytest.mark.compliance("RFC 8628", "4", "discovery names endpoint and grant type")
def test_discovery_names_the_endpoint(client):
    document = client.get("/.well-known/oauth-authorization-server").json()

    assert (
        document["device_authorization_endpoint"] == f"{settings.ISSUER}/oauth/device_authorization"
    )
    assert device.DEVICE_CODE in document["grant_types_supported"]
