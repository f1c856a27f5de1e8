"""What the portal expects of a token service, of the fake and of ours alike."""

import httpx
import pytest
from django.core.cache import cache
from django.test import Client

from ims.models import InitialAccessToken
from portal.errors import RegistrationGone, RegistrationRefused, TokenServiceUnavailable
from portal.ims_client import TokenService
from tests.unit.portal.fake_token_service import FakeTokenService
from wire import bearer

GRANTS = ["client_credentials", "authorization_code", "refresh_token"]


class DjangoTransport(httpx.BaseTransport):
    """Carries requests to our own endpoints, without a socket."""

    def handle_request(self, request):
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() not in {"host", "content-length", "content-type", "connection"}
        }
        response = Client().generic(
            request.method,
            request.url.raw_path.decode(),
            request.read(),
            content_type=request.headers.get("Content-Type", "application/octet-stream"),
            headers=headers,
        )
        return httpx.Response(
            response.status_code, headers=list(response.items()), content=response.content
        )


@pytest.fixture
def ours(settings, db):
    """Our token service and the initial access token that it takes."""
    cache.clear()
    token = bearer.mint(bearer.Prefix.INITIAL_ACCESS_TOKEN)
    InitialAccessToken.objects.create(
        digest=bearer.digest(token), label="portal", allowed_grant_types=GRANTS
    )
    return TokenService(settings.ISSUER, httpx.Client(transport=DjangoTransport())), token


@pytest.fixture(params=["fake", "ours"])
def service(request, settings):
    if request.param == "ours":
        return request.getfixturevalue("ours")
    fake = FakeTokenService(settings.ISSUER)
    return fake.as_token_service(), fake.initial_access_token


def register(service, **changes):
    portal, token = service
    metadata = {
        "client_name": "Order sync",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
        "token_endpoint_auth_method": "client_secret_basic",
    }
    return portal.register_client(metadata | changes, initial_access_token=token)


def test_discovery_names_every_endpoint_that_the_portal_uses(service):
    for name in (
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "registration_endpoint",
        "end_session_endpoint",
    ):
        assert service[0].get_endpoint(name).startswith(service[0].issuer)
    assert service[0].get_metadata()["authorization_response_iss_parameter_supported"] is True


def test_registration_answers_with_all_credentials(service):
    made = register(service)

    assert made.client_id
    assert made.client_secret
    assert made.registration_access_token
    assert made.registration_client_uri.startswith(service[0].issuer)
    assert made.metadata["client_name"] == "Order sync"


def test_record_can_be_read_but_not_its_secret(service):
    made = register(service)

    record = service[0].read_client(
        uri=made.registration_client_uri, token=made.registration_access_token
    )

    assert record.client_id == made.client_id
    assert record.client_secret == ""
    assert record.metadata["grant_types"] == ["client_credentials"]


def test_record_can_be_replaced(service):
    made = register(
        service,
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        redirect_uris=["https://app.example/cb"],
    )
    changed = {
        name: value
        for name, value in made.metadata.items()
        if name
        not in {
            "registration_access_token",
            "registration_client_uri",
            "client_secret_expires_at",
            "client_id_issued_at",
            "client_secret",
        }
    }
    changed |= {"client_name": "Renamed", "redirect_uris": ["https://app.example/new"]}

    answer = service[0].update_client(
        changed, uri=made.registration_client_uri, token=made.registration_access_token
    )

    assert answer.metadata["client_name"] == "Renamed"
    assert answer.metadata["redirect_uris"] == ["https://app.example/new"]


def test_secret_can_be_rotated(service):
    made = register(service)

    secret = service[0].rotate_secret(
        uri=made.registration_client_uri, token=made.registration_access_token
    )

    assert secret
    assert secret != made.client_secret


def test_deleted_client_is_gone(service):
    made = register(service)
    access = {"uri": made.registration_client_uri, "token": made.registration_access_token}

    service[0].delete_client(**access)

    with pytest.raises(RegistrationGone):
        service[0].read_client(**access)
    with pytest.raises(RegistrationGone):
        service[0].delete_client(**access)


def test_wrong_initial_access_token_registers_nothing(service):
    with pytest.raises(TokenServiceUnavailable, match="initial access token"):
        register((service[0], "tgia_wrong"))


def test_unusable_redirect_uri_is_refused_with_the_field_that_mends_it(ours):
    with pytest.raises(RegistrationRefused) as refusal:
        register(
            ours,
            grant_types=["authorization_code"],
            response_types=["code"],
            redirect_uris=["http://app.example/cb#fragment"],
        )

    assert refusal.value.field == "redirect_uris"
