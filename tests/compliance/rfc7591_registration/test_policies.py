"""What a policy lets clients register for, and registration without a token."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from ims.models import Client, ClientSecret, InitialAccessToken, RegistrationPolicy
from ims.services.ensure_registration_policy import ensure_registration_policy
from ims.services.provision_initial_access_token import provision_initial_access_token
from tests.factories.identity import bearer_headers
from wire import bearer

pytestmark = pytest.mark.django_db
GRANTS = ("authorization_code", "refresh_token", "client_credentials")
WEB = {"redirect_uris": ["https://app.example/callback"]}
AGENT = WEB | {
    "client_name": "Agent",
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "application_type": "native",
}


def make_permission(**bounds):
    policy = RegistrationPolicy.objects.create(name="partners", **bounds)
    return provision_initial_access_token(label="partner", grant_types=GRANTS, policy=policy)


def register(client, permission, document):
    headers = bearer_headers(permission.token) if permission else {}
    return client.post(
        "/oauth/register", json.dumps(document), content_type="application/json", headers=headers
    )


def open_door(**changes):
    policy = ensure_registration_policy(source=RegistrationPolicy.Source.OPEN)
    for name, value in ({"is_enabled": True} | changes).items():
        setattr(policy, name, value)
    policy.save()
    return policy


# --- with a token ---------------------------------------------------------------------------------


@pytest.mark.compliance("RFC 7591", "3.2.2", "metadata beyond the policy is refused by name")
@pytest.mark.parametrize(
    ("bounds", "document", "error", "member"),
    [
        (
            {"allowed_grant_types": ["authorization_code"]},
            {"grant_types": ["client_credentials"]},
            "invalid_client_metadata",
            "grant_types",
        ),
        (
            {"allowed_scopes": ["orders:read"]},
            WEB | {"scope": "orders:write"},
            "invalid_client_metadata",
            "scope",
        ),
        (
            {"allowed_auth_methods": ["client_secret_post"]},
            WEB | {"token_endpoint_auth_method": "client_secret_basic"},
            "invalid_client_metadata",
            "token_endpoint_auth_method",
        ),
        (
            {"allowed_redirect_hosts": ["*.partner.example"]},
            WEB,
            "invalid_redirect_uri",
            "redirect_uris",
        ),
        (
            {"allowed_redirect_hosts": ["app.example"]},
            {"redirect_uris": ["com.example.app:/callback"]},
            "invalid_redirect_uri",
            "redirect_uris",
        ),
    ],
)
def test_policy_bounds_its_clients(client, bounds, document, error, member):
    response = register(client, make_permission(**bounds), document)

    assert response.status_code == 400
    assert response.json()["error"] == error
    assert response.json()["error_description"].startswith(f"{member}: ")
    assert not Client.objects.exists()


@pytest.mark.parametrize(
    "uri",
    ["https://a.partner.example/cb", "https://A.Partner.Example/cb", "http://localhost:1234/cb"],
)
def test_redirect_hosts_of_the_policy_are_taken(client, uri):
    permission = make_permission(allowed_redirect_hosts=["*.partner.example", "localhost"])

    assert register(client, permission, {"redirect_uris": [uri]}).status_code == 201


@pytest.mark.compliance("RFC 7591", "3.2.1", "the server may replace a default that it refuses")
def test_default_method_follows_the_policy(client):
    permission = make_permission(allowed_auth_methods=["none"])

    assert register(client, permission, WEB).json()["token_endpoint_auth_method"] == "none"


def test_token_and_policy_both_bound(client):
    permission = make_permission(allowed_grant_types=["client_credentials"])
    InitialAccessToken.objects.update(allowed_grant_types=["authorization_code"])

    both = [
        register(client, permission, document).json()["error"]
        for document in (WEB, {"grant_types": ["client_credentials"]})
    ]

    assert both == ["invalid_client_metadata", "invalid_client_metadata"]


def test_scopes_without_a_common_name_are_no_scope_at_all(client):
    permission = make_permission(allowed_scopes=["orders:read"])
    InitialAccessToken.objects.update(allowed_scopes=["orders:write"])

    assert register(client, permission, WEB | {"scope": "orders:read"}).status_code == 400
    register(client, permission, WEB)

    assert Client.objects.get().scopes == [""]


def test_quota_of_the_policy_holds(client):
    permission = make_permission(most_clients=2)

    statuses = [register(client, permission, WEB).status_code for _ in range(3)]
    Client.objects.filter(pk=Client.objects.first().pk).update(disabled_at=timezone.now())
    after = register(client, permission, WEB)

    assert statuses == [201, 201, 403]
    assert after.status_code == 201


def test_policy_that_is_switched_off_takes_nobody_and_no_use(client):
    permission = make_permission(is_enabled=False)
    InitialAccessToken.objects.update(uses_left=1)

    response = register(client, permission, WEB)

    assert response.status_code == 403
    assert response.json()["error"] == "access_denied"
    assert InitialAccessToken.objects.get().uses_left == 1


@pytest.mark.compliance("RFC 7591", "3.2.1", "client_secret_expires_at is the secret's real end")
def test_end_of_a_secret_is_told(client):
    document = register(client, make_permission(secret_lifetime_days=30), WEB).json()

    ends = ClientSecret.objects.get().expires_at
    assert document["client_secret_expires_at"] == int(ends.timestamp())
    assert timedelta(days=29) < ends - timezone.now() <= timedelta(days=30)


@pytest.mark.compliance("RFC 7592", "2.2", "an update keeps to the policy of the registration")
def test_update_keeps_to_the_policy(client):
    permission = make_permission(allowed_redirect_hosts=["app.example"])
    registered = register(client, permission, WEB).json()

    answer = client.put(
        f"/oauth/register/{registered['client_id']}",
        json.dumps(
            {"client_id": registered["client_id"], "redirect_uris": ["https://evil.example/"]}
        ),
        content_type="application/json",
        headers=bearer_headers(registered["registration_access_token"]),
    )

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_redirect_uri"


def test_client_gains_nothing_when_its_token_is_deleted(client):
    registered = register(client, make_permission(), WEB).json()
    InitialAccessToken.objects.all().delete()

    answer = client.put(
        f"/oauth/register/{registered['client_id']}",
        json.dumps(
            WEB
            | {
                "client_id": registered["client_id"],
                "grant_types": ["authorization_code", "client_credentials"],
            }
        ),
        content_type="application/json",
        headers=bearer_headers(registered["registration_access_token"]),
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client_metadata")


# --- without a token ------------------------------------------------------------------------------


@pytest.mark.compliance("RFC 7591", "3", "open registration is the administrator's choice")
def test_the_door_is_closed_at_first(client):
    response = register(client, None, AGENT)

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer ")
    assert not Client.objects.exists()


@pytest.mark.compliance("RFC 7591", "3", "an agent registers without a token where that is open")
def test_open_door_takes_an_agent(client):
    policy = open_door()

    response = register(client, None, AGENT)

    document = response.json()
    assert response.status_code == 201
    assert document["token_endpoint_auth_method"] == "none"
    assert document["grant_types"] == ["authorization_code", "refresh_token"]
    assert "client_secret" not in document
    record = Client.objects.get()
    assert record.policy == policy
    assert record.is_first_party is False


@pytest.mark.compliance("RFC 7591", "3.2.1", "a stranger's scope is replaced by its policy's bound")
@pytest.mark.parametrize("bound", [[], ["orders:read", "orders:write"]])
def test_scope_that_a_stranger_names_does_not_keep_it_from_stepping_up(client, bound):
    open_door(allowed_scopes=bound)

    answer = register(client, None, AGENT | {"scope": "orders:read"})

    assert answer.status_code == 201
    assert answer.json().get("scope", "").split() == bound
    assert Client.objects.get(client_id=answer.json()["client_id"]).scopes == bound


def test_stranger_cannot_name_a_scope_beyond_the_policy(client):
    open_door(allowed_scopes=["orders:read"])

    answer = register(client, None, AGENT | {"scope": "orders:write"})

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_client_metadata"


def test_agent_that_names_no_method_becomes_public(client):
    open_door()
    silent = {name: value for name, value in AGENT.items() if name != "token_endpoint_auth_method"}

    assert register(client, None, silent).json()["token_endpoint_auth_method"] == "none"


@pytest.mark.parametrize(
    "document",
    [
        AGENT | {"grant_types": ["client_credentials"], "response_types": []},
        AGENT | {"grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"]},
        AGENT | {"token_endpoint_auth_method": "client_secret_basic"},
        AGENT | {"scope": "manage"},
    ],
)
def test_open_door_takes_strangers_only_as_public_code_clients(client, document):
    # Even where somebody wrote more into the policy than its form allows.
    open_door(allowed_grant_types=list(GRANTS), allowed_auth_methods=[])

    response = register(client, None, document)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_client_metadata"


@pytest.mark.parametrize("token", ["junk", "unknown"])
def test_a_bad_token_never_falls_back_to_the_open_door(client, token):
    open_door()
    sent = "junk" if token == "junk" else bearer.mint(bearer.Prefix.INITIAL_ACCESS_TOKEN)

    response = client.post(
        "/oauth/register",
        json.dumps(AGENT),
        content_type="application/json",
        headers=bearer_headers(sent),
    )

    assert response.status_code == 401
    assert response.json()["error"] == "invalid_token"


def test_strangers_are_slowed_by_their_network(client):
    open_door(most_per_hour=2)

    statuses = [register(client, None, AGENT).status_code for _ in range(3)]
    refused = register(client, None, AGENT)
    elsewhere = client.post(
        "/oauth/register",
        json.dumps(AGENT),
        content_type="application/json",
        REMOTE_ADDR="198.51.100.7",
    )

    assert statuses == [201, 201, 429]
    assert int(refused["Retry-After"]) > 0
    assert elsewhere.status_code == 201


def test_one_subscriber_with_many_ipv6_addresses_is_one_network(client):
    open_door(most_per_hour=1)

    statuses = [
        client.post(
            "/oauth/register",
            json.dumps(AGENT),
            content_type="application/json",
            REMOTE_ADDR=f"2a00:1450:4001:81b::{last:x}",
        ).status_code
        for last in (1, 2)
    ]

    assert statuses == [201, 429]


def test_ipv4_callers_of_a_dual_stack_listener_are_told_apart(client):
    open_door(most_per_hour=1)

    statuses = [
        client.post(
            "/oauth/register",
            json.dumps(AGENT),
            content_type="application/json",
            REMOTE_ADDR=f"::ffff:198.51.100.{last}",
        ).status_code
        for last in (1, 2, 2)
    ]

    assert statuses == [201, 201, 429]


def test_quota_of_the_open_door_holds(client):
    open_door(most_clients=1)

    assert [register(client, None, AGENT).status_code for _ in range(2)] == [201, 403]
