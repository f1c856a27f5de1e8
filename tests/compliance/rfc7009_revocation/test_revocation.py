from urllib.parse import urlencode

import pytest

from ims.models import RevocationEvent
from tests.factories.identity import (
    basic,
    make_access_token,
    make_client,
    make_grant,
    make_public_client,
    make_refresh_token,
    make_user,
)
from wire import bearer

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"


def revoke(client, caller, token, **form):
    body = urlencode({"token": token, **form})
    return client.post("/oauth/revoke", body, content_type=FORM, headers=caller.headers)


@pytest.fixture
def app():
    return make_client()


@pytest.mark.compliance("RFC 7009", "2.1", "an access token is invalidated at once")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "nonsense", ""])
def test_access_token_ends(client, app, hint):
    token, record = make_access_token(app.client)

    response = revoke(client, app, token, token_type_hint=hint)

    record.refresh_from_db()
    assert (response.status_code, response.content) == (200, b"")
    assert record.revoked_at is not None
    assert [bytes(event.token_digest) for event in RevocationEvent.objects.all()] == [
        bearer.digest(token)
    ]


@pytest.mark.compliance("RFC 7009", "2.1", "a refresh token takes its access tokens along")
def test_refresh_token_ends_the_grant(client, app):
    user = make_user()
    grant = make_grant(app.client, user)
    refresh_token, _ = make_refresh_token(grant)
    tokens = [make_access_token(app.client, user=user, grant=grant)[0] for _ in range(2)]
    _, other_record = make_access_token(app.client)

    response = revoke(client, app, refresh_token)

    grant.refresh_from_db()
    other_record.refresh_from_db()
    assert response.status_code == 200
    assert grant.revoked_at is not None
    assert other_record.revoked_at is None
    assert {bytes(event.token_digest) for event in RevocationEvent.objects.all()} == {
        bearer.digest(token) for token in tokens
    }


@pytest.mark.compliance("RFC 7009", "2.2", "an unknown token is no error")
@pytest.mark.parametrize("kind", ["junk", "access", "refresh"])
def test_unknown_token_is_no_error(client, app, kind):
    token = {
        "junk": "not-one-of-ours",
        "access": bearer.mint(bearer.Prefix.ACCESS_TOKEN),
        "refresh": bearer.mint(bearer.Prefix.REFRESH_TOKEN),
    }[kind]

    assert revoke(client, app, token).status_code == 200


def test_second_revocation_writes_no_second_event(client, app):
    token, _ = make_access_token(app.client)

    revoke(client, app, token)
    response = revoke(client, app, token)

    assert response.status_code == 200
    assert RevocationEvent.objects.count() == 1


@pytest.mark.compliance("RFC 7009", "2.1", "another client's token is refused and the client told")
@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_another_clients_token_stays(client, app, kind):
    owner = make_client().client
    user = make_user()
    grant = make_grant(owner, user)
    access_token, record = make_access_token(owner, user=user, grant=grant)
    refresh_token, _ = make_refresh_token(grant)

    response = revoke(client, app, access_token if kind == "access" else refresh_token)

    record.refresh_from_db()
    grant.refresh_from_db()
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_grant"
    assert (record.revoked_at, grant.revoked_at) == (None, None)
    assert not RevocationEvent.objects.exists()


@pytest.mark.compliance("RFC 7009", "2.1", "client credentials are validated first")
def test_wrong_secret_revokes_nothing(client, app):
    token, record = make_access_token(app.client)
    body = urlencode({"token": token})

    response = client.post(
        "/oauth/revoke",
        body,
        content_type=FORM,
        headers={"Authorization": basic(app.client.client_id, "wrong")},
    )

    record.refresh_from_db()
    assert response.status_code == 401
    assert record.revoked_at is None


@pytest.mark.compliance("RFC 7009", "2.1", "a public client revokes its own tokens")
def test_public_client_revokes_its_token(client):
    public = make_public_client()
    token, record = make_access_token(public)
    body = urlencode({"token": token, "client_id": public.client_id})

    response = client.post("/oauth/revoke", body, content_type=FORM)

    record.refresh_from_db()
    assert response.status_code == 200
    assert record.revoked_at is not None


@pytest.mark.compliance("RFC 7009", "2.1", "token is a REQUIRED parameter")
def test_missing_token_is_an_error(client, app):
    response = revoke(client, app, "")

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"


@pytest.mark.compliance("RFC 7009", "2.1", "only POST")
def test_get_is_refused(client, app):
    response = client.get("/oauth/revoke", headers=app.headers)

    assert response.status_code == 405
    assert response["Allow"] == "POST"
