import json

import pytest
from django.utils import timezone

from ims.models import Client, ClientSecret, InitialAccessToken, RevocationEvent
from ims.services.provision_initial_access_token import provision_initial_access_token
from tests.factories.identity import (
    bearer_headers,
    make_access_token,
    make_grant,
    make_refresh_token,
    make_user,
)
from wire import bearer

pytestmark = pytest.mark.django_db
JSON = "application/json"


@pytest.fixture
def registered(client):
    permission = provision_initial_access_token(
        label="portal", grant_types=["authorization_code", "refresh_token", "client_credentials"]
    )
    response = client.post(
        "/oauth/register",
        json.dumps(
            {"redirect_uris": ["https://app.example/cb"], "client_name": "A", "scope": "openid"}
        ),
        content_type=JSON,
        headers=bearer_headers(permission.token),
    )
    return response.json()


def path(registered):
    return "/oauth/register/" + registered["client_id"]


def headers(registered):
    return bearer_headers(registered["registration_access_token"])


def update(client, registered, **changes):
    document = {
        "client_id": registered["client_id"],
        "redirect_uris": ["https://app.example/cb"],
    } | changes
    return client.put(
        path(registered), json.dumps(document), content_type=JSON, headers=headers(registered)
    )


@pytest.mark.compliance("RFC 7592", "2.1", "a read answers the client's information")
def test_record_is_read(client, registered):
    response = client.get(path(registered), headers=headers(registered))

    without_secret = {
        name: value for name, value in registered.items() if not name.startswith("client_secret")
    }
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert response.json() == without_secret


@pytest.mark.compliance("RFC 7592", "2", "401 without the client's own registration access token")
@pytest.mark.parametrize("method", ["get", "put", "delete"])
@pytest.mark.parametrize("token", ["none", "junk", "unknown", "another client's", "disabled"])
def test_registration_access_token_is_required(client, registered, method, token):
    sent = headers(registered)
    if token == "none":
        sent = {}
    elif token == "junk":
        sent = bearer_headers("junk")
    elif token == "unknown":
        sent = bearer_headers(bearer.mint(bearer.Prefix.REGISTRATION_ACCESS_TOKEN))
    elif token == "another client's":
        other = bearer.mint(bearer.Prefix.REGISTRATION_ACCESS_TOKEN)
        Client.objects.create(registration_access_token_digest=bearer.digest(other))
        sent = bearer_headers(other)
    else:
        Client.objects.update(disabled_at=timezone.now())

    response = getattr(client, method)(path(registered), headers=sent)

    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer ")
    assert Client.objects.filter(client_id=registered["client_id"]).exists()


@pytest.mark.compliance("RFC 7592", "2.2", "an update replaces the whole record")
def test_update_replaces(client, registered):
    response = update(
        client,
        registered,
        redirect_uris=["https://new.example/cb"],
        client_uri="https://new.example/",
    )

    document = response.json()
    assert response.status_code == 200
    assert document["redirect_uris"] == ["https://new.example/cb"]
    assert document["client_uri"] == "https://new.example/"
    assert not {"client_name", "scope", "client_secret"} & document.keys()
    assert client.get(path(registered), headers=headers(registered)).json() == document


@pytest.mark.compliance("RFC 7592", "2.2", "a null or an omitted member is deleted")
def test_null_is_an_omitted_member(client, registered):
    document = update(client, registered, client_name=None, grant_types=None).json()

    assert "client_name" not in document
    assert document["grant_types"] == ["authorization_code"]


@pytest.mark.compliance("RFC 7592", "2.2", "the client may not choose what the server sets")
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("client_id", "another"),
        ("client_id", None),
        ("client_secret", "password"),
        ("client_secret", 7),
        ("registration_access_token", "x"),
        ("registration_client_uri", "https://evil.example/"),
        ("client_secret_expires_at", 0),
        ("client_id_issued_at", 0),
    ],
)
def test_servers_members_are_refused(client, registered, member, value):
    response = update(client, registered, **{member: value})

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_client_metadata"
    assert response.json()["error_description"].startswith(f"{member}: ")
    assert Client.objects.get().name == "A"


@pytest.mark.compliance("RFC 7592", "2.2", "the present secret may be sent along")
def test_present_secret_is_accepted(client, registered):
    response = update(client, registered, client_secret=registered["client_secret"])

    assert response.status_code == 200
    assert bytes(ClientSecret.objects.get().digest) == bearer.digest(registered["client_secret"])


@pytest.mark.compliance("RFC 7592", "2.2", "invalid metadata in an update is refused")
def test_update_obeys_the_rules_of_registration(client, registered):
    assert update(client, registered, scope="manage").status_code == 400
    assert update(client, registered, redirect_uris=["http://evil.example/"]).status_code == 400


def test_update_cannot_outgrow_a_permission_that_is_gone(client, registered):
    InitialAccessToken.objects.all().delete()

    assert update(client, registered, scope="openid").status_code == 200
    wider = update(
        client, registered, scope="openid", grant_types=["authorization_code", "client_credentials"]
    )
    assert wider.json()["error"] == "invalid_client_metadata"


def test_public_client_that_becomes_confidential_gets_a_secret(client, registered):
    public = update(client, registered, token_endpoint_auth_method="none").json()
    assert "client_secret" not in public
    assert not ClientSecret.objects.exists()

    confidential = update(client, registered).json()

    assert confidential["client_secret_expires_at"] == 0
    assert bytes(ClientSecret.objects.get().digest) == bearer.digest(confidential["client_secret"])


@pytest.mark.compliance("RFC 7592", "2.3", "a deleted client loses everything it held")
def test_delete_ends_the_client(client, registered):
    record, user = Client.objects.get(), make_user()
    grant = make_grant(record, user)
    make_refresh_token(grant)
    tokens = [
        make_access_token(record)[0],
        make_access_token(record, user=user, grant=grant)[0],
    ]

    response = client.delete(path(registered), headers=headers(registered))

    assert (response.status_code, response.content) == (204, b"")
    assert {bytes(event.token_digest) for event in RevocationEvent.objects.all()} == {
        bearer.digest(token) for token in tokens
    }
    assert not Client.objects.exists()
    assert client.get(path(registered), headers=headers(registered)).status_code == 401


def test_rotation_ends_the_old_secret(client, registered):
    response = client.post(
        path(registered) + "/secret", content_type=JSON, headers=headers(registered)
    )

    document = response.json()
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    assert document["client_id"] == registered["client_id"]
    assert document["client_secret"] != registered["client_secret"]
    assert document["client_secret_expires_at"] == 0
    assert bytes(ClientSecret.objects.get().digest) == bearer.digest(document["client_secret"])


def test_rotation_needs_the_registration_access_token(client, registered):
    response = client.post(
        path(registered) + "/secret", content_type=JSON, headers=bearer_headers("junk")
    )

    assert response.status_code == 401
    assert bytes(ClientSecret.objects.get().digest) == bearer.digest(registered["client_secret"])


def test_public_client_has_no_secret_to_rotate(client, registered):
    update(client, registered, token_endpoint_auth_method="none")

    response = client.post(
        path(registered) + "/secret", content_type=JSON, headers=headers(registered)
    )

    assert response.status_code == 400
    assert not ClientSecret.objects.exists()


def rotate(client, registered, body):
    return client.post(
        path(registered) + "/secret",
        json.dumps(body),
        content_type=JSON,
        headers=headers(registered),
    )


def test_rotation_may_leave_the_former_secret_a_while(client, registered):
    response = rotate(client, registered, {"overlap_seconds": 3600})

    assert response.status_code == 200
    assert response.json()["client_secret_expires_at"] == 0
    former = ClientSecret.objects.get(digest=bearer.digest(registered["client_secret"]))
    assert 0 < (former.expires_at - timezone.now()).total_seconds() <= 3600
    assert ClientSecret.objects.count() == 2


@pytest.mark.parametrize("overlap", [-1, 1.5, "60", True, None, 10**9])
def test_overlap_that_makes_no_sense_is_refused(client, registered, overlap):
    response = rotate(client, registered, {"overlap_seconds": overlap})

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"
    assert ClientSecret.objects.count() == 1


def test_client_that_turns_to_keys_loses_its_secret(client, registered):
    answer = update(
        client,
        registered,
        token_endpoint_auth_method="private_key_jwt",
        jwks_uri="https://app.example/jwks",
    )

    assert answer.status_code == 200
    assert not ClientSecret.objects.exists()
