import pytest
from django.urls import reverse

from ims.models import RegistrationPolicy
from tests.factories.identity import make_public_client

pytestmark = pytest.mark.django_db
LIST = "admin:ims_registrationpolicy_changelist"


@pytest.fixture
def open_policy(admin_client):
    admin_client.get(reverse(LIST))
    return RegistrationPolicy.objects.get(source="open")


def change(admin_client, policy, **changes):
    form = {
        "name": policy.name,
        "is_enabled": "on",
        "allowed_grant_types": "authorization_code",
        "allowed_auth_methods": "none",
        "most_clients": "10",
        "most_per_hour": "5",
        "remove_unused_after_days": "30",
    } | changes
    url = reverse("admin:ims_registrationpolicy_change", args=[policy.pk])
    return admin_client.post(url, {name: value for name, value in form.items() if value})


def test_the_two_sources_without_a_token_are_always_listed(admin_client):
    page = admin_client.get(reverse(LIST)).content.decode()

    assert "Open registration" in page
    assert "Client metadata documents" in page
    assert not RegistrationPolicy.objects.get(source="open").is_enabled
    assert RegistrationPolicy.objects.get(source="document").is_enabled


def test_open_registration_is_switched_on(admin_client, open_policy):
    assert change(admin_client, open_policy).status_code == 302

    open_policy.refresh_from_db()
    assert open_policy.is_enabled
    assert open_policy.most_clients == 10


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("allowed_grant_types", "client_credentials"),
        ("allowed_grant_types", "implicit"),
        ("allowed_auth_methods", "client_secret_basic"),
        ("allowed_scopes", "manage"),
        ("allowed_redirect_hosts", "https://app.example"),
        ("allowed_redirect_hosts", "*example"),
    ],
)
def test_bound_that_means_nothing_is_refused(admin_client, open_policy, member, value):
    assert change(admin_client, open_policy, **{member: value}).status_code == 200

    open_policy.refresh_from_db()
    assert not open_policy.is_enabled


def test_a_new_policy_is_for_tokens(admin_client):
    url = reverse("admin:ims_registrationpolicy_add")

    admin_client.post(
        url, {"name": "Partners", "is_enabled": "on", "allowed_redirect_hosts": "*.partner.example"}
    )

    assert RegistrationPolicy.objects.get(name="Partners").source == "token"


def test_the_policy_of_a_source_cannot_be_deleted(admin_client, open_policy):
    url = reverse("admin:ims_registrationpolicy_delete", args=[open_policy.pk])

    assert admin_client.post(url, {"post": "yes"}).status_code == 403


def test_live_clients_are_counted(admin_client, open_policy):
    make_public_client(policy=open_policy)

    assert admin_client.get(reverse(LIST)).status_code == 200
