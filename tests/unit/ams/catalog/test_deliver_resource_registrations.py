import pytest
from django.conf import settings

from ams.catalog.models import ResourceRegistration
from ams.catalog.services.delete_api import delete_api
from ams.catalog.services.deliver_resource_registrations import deliver_resource_registrations
from ams.catalog.services.save_api import save_api
from tests.factories.catalog import api_spec, make_api

pytestmark = pytest.mark.django_db


def resource(version="v1"):
    return f"{settings.GATEWAY_URL}/orders/{version}"


def test_saved_api_is_registered_when_the_transaction_commits(
    token_service, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        make_api()

    assert token_service.resources[resource()]["introspection_clients"] == ["tollgate-gateway"]
    assert ResourceRegistration.objects.get().delivered_at is not None


def test_deleted_api_is_withdrawn(token_service, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        api = make_api()
    with django_capture_on_commit_callbacks(execute=True):
        delete_api(api_id=api.pk)

    assert token_service.resources == {}
    assert ResourceRegistration.objects.get().delivered_at is not None


def test_failure_keeps_the_reason_and_a_later_try_delivers(token_service):
    make_api()
    token_service.registry_status = 503

    assert deliver_resource_registrations() == 0
    row = ResourceRegistration.objects.get()
    assert (row.attempts, row.delivered_at) == (1, None)
    assert "503" in row.last_error

    token_service.registry_status = 200
    assert deliver_resource_registrations() == 1
    assert resource() in token_service.resources


def test_save_succeeds_while_the_token_service_is_away(
    settings, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setenv("TOLLGATE_AMS_CLIENT_SECRET", "x")
    settings.ISSUER = "http://127.0.0.1:9"  # the discard port: nothing listens

    with django_capture_on_commit_callbacks(execute=True):
        make_api()

    assert "did not answer" in ResourceRegistration.objects.get().last_error


def test_missing_secret_says_what_to_do(token_service, monkeypatch):
    monkeypatch.delenv("TOLLGATE_AMS_CLIENT_SECRET")
    make_api()

    deliver_resource_registrations()

    assert "manage.py bootstrap" in ResourceRegistration.objects.get().last_error


def test_refused_registration_holds_up_no_other(token_service):
    api = make_api()
    ResourceRegistration.objects.create(resource="https://a.example", document={"bad": True})

    deliver_resource_registrations()

    # The fake answers the document without `resource` by closing the connection.
    deliver_resource_registrations()
    assert api.resource in token_service.resources


def test_unchanged_api_is_not_registered_again(token_service):
    api = make_api()
    deliver_resource_registrations()
    token_service.requests.clear()

    save_api(spec=api_spec(description="Only words"), api_id=api.pk)
    deliver_resource_registrations()

    assert token_service.requests == []
