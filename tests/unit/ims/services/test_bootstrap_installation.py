import pytest

from ims.models import Client, ClientSecret, InitialAccessToken, ProtectedResource, SigningKey
from ims.services.bootstrap_installation import bootstrap_installation
from wire import bearer

pytestmark = pytest.mark.django_db
ISSUER = "https://id.example"


def bootstrap(**changes):
    members = {"issuer": ISSUER, "gateway_secret": None, "ams_secret": None}
    return bootstrap_installation(**(members | changes))


def secret_digests(client_id):
    return [bytes(s.digest) for s in ClientSecret.objects.filter(client__client_id=client_id)]


def test_first_run_mints_every_credential():
    made = bootstrap()

    assert secret_digests("tollgate-gateway") == [bearer.digest(made.gateway_secret)]
    assert secret_digests("tollgate-ams") == [bearer.digest(made.ams_secret)]
    permission = InitialAccessToken.objects.get(label="portal")
    assert bytes(permission.digest) == bearer.digest(made.portal_initial_access_token)
    assert permission.allowed_grant_types == [
        "authorization_code",
        "refresh_token",
        "client_credentials",
    ]
    assert set(SigningKey.objects.values_list("algorithm", flat=True)) == {"ES256", "RS256"}


def test_clients_have_the_scopes_of_their_part_only():
    bootstrap()

    assert list(
        Client.objects.order_by("client_id").values_list("client_id", "scopes", "grant_types")
    ) == [
        ("tollgate-ams", ["resources:write"], ["client_credentials"]),
        ("tollgate-gateway", ["gateway"], ["client_credentials"]),
    ]


def test_built_in_resources_are_registered():
    bootstrap()

    registered = {
        record.resource: (
            [scope.name for scope in record.scopes.all()],
            [client.client_id for client in record.introspection_clients.all()],
        )
        for record in ProtectedResource.objects.all()
    }
    assert registered == {
        f"{ISSUER}/control": (["gateway"], ["tollgate-ams"]),
        f"{ISSUER}/api": (["manage"], ["tollgate-ams"]),
        f"{ISSUER}/oauth/protected-resources": (["resources:write"], []),
    }


def test_second_run_changes_nothing():
    first = bootstrap()
    second = bootstrap()

    assert (second.gateway_secret, second.ams_secret) == (None, None)
    assert second.portal_initial_access_token is None
    assert secret_digests("tollgate-gateway") == [bearer.digest(first.gateway_secret)]
    assert SigningKey.objects.count() == 2
    assert InitialAccessToken.objects.count() == 1


def test_given_secret_replaces_the_stored_one_once():
    bootstrap()

    changed = bootstrap(gateway_secret="an operator's own secret")
    again = bootstrap(gateway_secret="an operator's own secret")

    assert changed.gateway_secret == "an operator's own secret"
    assert again.gateway_secret is None
    assert secret_digests("tollgate-gateway") == [bearer.digest("an operator's own secret")]


def test_renewal_ends_the_portals_former_token():
    bootstrap()
    record = InitialAccessToken.objects.get()

    renewed = bootstrap(renew_portal_initial_access_token=True)

    permission = InitialAccessToken.objects.get()
    assert permission == record  # clients registered with it keep their limits
    assert bytes(permission.digest) == bearer.digest(renewed.portal_initial_access_token)


def test_resources_of_a_former_issuer_go():
    bootstrap(issuer="http://localhost:8000")
    ProtectedResource.objects.create(resource="https://api.example", registered_by="tollgate-ams")

    bootstrap()

    resources = set(ProtectedResource.objects.values_list("resource", flat=True))
    assert "https://api.example" in resources
    assert not any(resource.startswith("http://localhost") for resource in resources)


def test_credentials_are_not_shown_by_accident():
    made = bootstrap()

    assert made.gateway_secret not in repr(made)
    assert made.portal_initial_access_token not in repr(made)
