import time
from urllib.parse import urlencode

import jwt
import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group
from django.utils import timezone

from ims.models import ClientSecret, SigningKey
from ims.services.create_signing_key import create_signing_key
from tests.factories.identity import (
    INVOICES,
    ORDERS,
    make_access_token,
    make_client,
    make_grant,
    make_public_client,
    make_refresh_token,
    make_resource,
    make_user,
)

pytestmark = pytest.mark.django_db
URL = "/oauth/introspect"
JWT = {"Accept": "application/jwt"}


@pytest.fixture
def gateway():
    return make_client(client_id="gateway")


@pytest.fixture
def app():
    return make_client().client


@pytest.fixture
def _signing():
    create_signing_key()


def post(client, form, headers=None):
    return client.post(
        URL,
        urlencode(form, doseq=True),
        content_type="application/x-www-form-urlencoded",
        headers=headers or {},
    )


def introspect(client, caller, token, headers=None, **form):
    return post(client, {"token": token, **form}, {**caller.headers, **(headers or {})})


def read_jwt(response):
    key = SigningKey.objects.get()
    public = jwt.PyJWK(key.public_jwk)
    return jwt.decode(
        response.content.decode(), public, algorithms=["ES256"], options={"verify_aud": False}
    )


@pytest.mark.compliance("RFC 7662", "2.2", "a live token is active, with the members of the RFC")
def test_live_token_is_described(client, gateway, app, settings):
    make_resource(readers=[gateway.client])
    token, record = make_access_token(app)

    response = introspect(client, gateway, token)

    issued, expires = int(record.issued_at.timestamp()), int(record.expires_at.timestamp())
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response.json() == {
        "active": True,
        "iss": settings.ISSUER,
        "sub": app.client_id,
        "aud": ORDERS,
        "client_id": app.client_id,
        "scope": "orders:read",
        "token_type": "Bearer",
        "exp": expires,
        "iat": issued,
        "nbf": issued,
        "jti": str(record.id),
    }


@pytest.mark.compliance("RFC 7662", "2.2", "sub and username name the user of a user's token")
def test_users_token_names_the_user(client, gateway, app):
    make_resource(readers=[gateway.client], claims=["preferred_username"])
    user = make_user(username="ada")
    token, _ = make_access_token(app, user=user, grant=make_grant(app, user))

    document = introspect(client, gateway, token).json()

    assert document["sub"] == str(user.subject)
    assert document["username"] == "ada"


def test_username_is_only_for_resources_that_were_declared_to_need_it(client, gateway, app):
    make_resource(readers=[gateway.client], claims=["email"])
    user = make_user(username="ada")
    token, _ = make_access_token(app, user=user, grant=make_grant(app, user))

    assert "username" not in introspect(client, gateway, token).json()


@pytest.mark.compliance("RFC 7662", "2.2", "an inactive token says only active: false")
@pytest.mark.parametrize(
    "token",
    ["junk", "tgat_" + "0" * 49, "tgat_" + "a" * 43 + "000000", "tgat_\u00e9"],
    ids=["junk", "bad checksum", "random", "not ascii"],
)
def test_unknown_token_is_inactive(client, gateway, token):
    response = introspect(client, gateway, token)

    assert response.status_code == 200
    assert response.json() == {"active": False}
    assert response["Cache-Control"] == "no-store"


@pytest.mark.compliance("RFC 7662", "2.2", "expired, revoked and orphaned tokens are inactive")
@pytest.mark.parametrize(
    "end",
    ["expired", "revoked", "grant revoked", "client disabled", "user inactive"],
)
def test_dead_token_is_inactive(client, gateway, app, end):
    make_resource(readers=[gateway.client])
    user = make_user()
    grant = make_grant(app, user)
    token, record = make_access_token(app, user=user, grant=grant)
    now = timezone.now()
    assert introspect(client, gateway, token).json()["active"] is True

    if end == "expired":
        record.expires_at = now
        record.save()
    elif end == "revoked":
        record.revoked_at = now
        record.save()
    elif end == "grant revoked":
        grant.revoked_at = now
        grant.save()
    elif end == "client disabled":
        app.disabled_at = now
        app.save()
    else:
        user.is_active = False
        user.save()

    assert introspect(client, gateway, token).json() == {"active": False}


@pytest.mark.compliance("RFC 7662", "2.1", "a refresh token is inactive for a resource server")
@pytest.mark.parametrize("hint", ["", "refresh_token", "access_token"])
def test_refresh_token_is_inactive(client, gateway, app, hint):
    make_resource(readers=[gateway.client])
    token, _ = make_refresh_token(make_grant(app, make_user()))

    response = introspect(client, gateway, token, token_type_hint=hint)

    assert response.json() == {"active": False}


@pytest.mark.compliance("RFC 7662", "2.1", "the endpoint requires authentication of its caller")
@pytest.mark.parametrize("wrong", ["nothing", "secret", "client", "expired secret", "disabled"])
def test_caller_must_prove_itself(client, gateway, app, wrong):
    make_resource(readers=[gateway.client])
    token, _ = make_access_token(app)
    headers = gateway.headers
    if wrong == "nothing":
        headers = {}
    elif wrong == "secret":
        headers = {"Authorization": make_client().headers["Authorization"]}
        ClientSecret.objects.exclude(client=gateway.client).delete()
    elif wrong == "client":
        gateway.client.delete()
    elif wrong == "expired secret":
        ClientSecret.objects.update(expires_at=timezone.now())
    else:
        gateway.client.disabled_at = timezone.now()
        gateway.client.save()

    response = post(client, {"token": token}, headers)

    assert response.status_code == 401
    assert response.json()["error"] == "invalid_client"
    assert response["WWW-Authenticate"].startswith("Basic ")
    assert response["Cache-Control"] == "no-store"


@pytest.mark.compliance("RFC 7662", "4", "a client without a secret cannot scan for tokens")
def test_public_client_cannot_introspect(client):
    public = make_public_client()
    make_resource(readers=[public])
    token, _ = make_access_token(public)

    response = post(client, {"token": token, "client_id": public.client_id})

    assert response.status_code == 401


@pytest.mark.compliance("RFC 7662", "4", "a caller sees only tokens that are meant for it")
def test_token_of_another_resource_is_inactive(client, gateway, app):
    make_resource(ORDERS, readers=[make_client().client])
    make_resource(INVOICES, readers=[gateway.client])
    token, _ = make_access_token(app, resources=[ORDERS])

    assert introspect(client, gateway, token).json() == {"active": False}


@pytest.mark.compliance("RFC 7662", "4", "the client that holds a token may not introspect it")
def test_client_cannot_introspect_its_own_token(client):
    owner = make_client()
    make_resource(readers=[make_client().client])
    token, _ = make_access_token(owner.client)

    assert introspect(client, owner, token).json() == {"active": False}


def test_token_without_resources_is_inactive(client, gateway, app):
    make_resource(readers=[gateway.client])
    token, _ = make_access_token(app, resources=[], scopes=["openid"])

    assert introspect(client, gateway, token).json() == {"active": False}


@pytest.mark.compliance("RFC 7662", "2.2", "scope and aud are limited to what the caller may see")
def test_answer_is_cut_to_the_callers_resources(client, gateway, app):
    make_resource(ORDERS, readers=[gateway.client], scopes=("orders:read", "orders:write"))
    make_resource(INVOICES, readers=[make_client().client], scopes=("invoices:read",))
    token, _ = make_access_token(
        app, resources=[ORDERS, INVOICES], scopes=["invoices:read", "orders:read", "openid"]
    )

    document = introspect(client, gateway, token).json()

    assert document["aud"] == ORDERS
    assert document["scope"] == "orders:read"


def test_json_names_every_visible_resource(client, gateway, app):
    make_resource(ORDERS, readers=[gateway.client])
    make_resource(INVOICES, readers=[gateway.client], scopes=("invoices:read",))
    token, _ = make_access_token(
        app, resources=[ORDERS, INVOICES], scopes=["invoices:read", "orders:read"]
    )

    document = introspect(client, gateway, token).json()

    assert document["aud"] == [INVOICES, ORDERS]
    assert document["scope"] == "invoices:read orders:read"


@pytest.mark.compliance("RFC 7662", "2.1", "token is a REQUIRED parameter")
@pytest.mark.parametrize("form", [{}, {"token": ""}])
def test_missing_token_is_an_error(client, gateway, form):
    response = post(client, form, gateway.headers)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"
    assert "token" in response.json()["error_description"]


@pytest.mark.compliance("RFC 7662", "2.1", "tokens never travel in the query string; POST only")
def test_get_is_refused(client, gateway):
    response = client.get(f"{URL}?token=x", headers=gateway.headers)

    assert response.status_code == 405
    assert response["Allow"] == "POST"


def test_token_in_the_query_is_refused(client, gateway, app):
    token, _ = make_access_token(app)

    response = client.post(f"{URL}?token={token}", headers=gateway.headers)

    assert response.status_code == 400
    assert token not in response.content.decode()


@pytest.mark.compliance("RFC 6749", "3.2", "parameters are not sent twice")
def test_second_token_is_refused(client, gateway):
    response = post(client, {"token": ["tok-2", "tok-9"]}, gateway.headers)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"


def test_multipart_form_is_refused(client, gateway):
    response = client.post(URL, {"token": "x"}, headers=gateway.headers)

    assert response.status_code == 400
    assert "application/x-www-form-urlencoded" in response.json()["error_description"]


def test_live_answer_may_be_kept_for_its_remaining_seconds(client, gateway, app):
    make_resource(readers=[gateway.client])
    token, record = make_access_token(app)

    response = introspect(client, gateway, token)

    directive, _, seconds = response["Cache-Control"].rpartition("=")
    assert directive == "private, max-age"
    assert 880 < int(seconds) <= record.expires_at.timestamp() - time.time() + 5
    assert int(seconds) <= 900
    assert "Accept" in response["Vary"]


@pytest.mark.usefixtures("_signing")
def test_phantom_jwt_is_made_for_one_resource(client, gateway, app, settings):
    make_resource(ORDERS, readers=[gateway.client])
    make_resource(INVOICES, readers=[gateway.client], scopes=("invoices:read",))
    token, record = make_access_token(
        app, resources=[ORDERS, INVOICES], scopes=["orders:read", "invoices:read"]
    )

    response = introspect(client, gateway, token, JWT, resource=ORDERS)

    assert response.status_code == 200
    assert response["Content-Type"] == "application/jwt"
    assert response["Cache-Control"].startswith("private, max-age=")
    assert jwt.get_unverified_header(response.content)["typ"] == "at+jwt"
    assert jwt.get_unverified_header(response.content)["alg"] == "ES256"
    assert read_jwt(response) == {
        "iss": settings.ISSUER,
        "sub": app.client_id,
        "aud": ORDERS,
        "client_id": app.client_id,
        "scope": "orders:read",
        "iat": int(record.issued_at.timestamp()),
        "exp": int(record.expires_at.timestamp()),
        "jti": str(record.id),
    }


@pytest.mark.usefixtures("_signing")
def test_phantom_jwt_carries_the_claims_its_api_asks_for(client, gateway, app):
    asked = ("email", "email_verified", "name", "given_name", "groups", "preferred_username")
    make_resource(readers=[gateway.client], claims=asked)
    user = make_user(username="ada", email="ada@example.com", first_name="Ada")
    EmailAddress.objects.create(user=user, email="Ada@example.com", verified=True)
    user.groups.add(Group.objects.create(name="buyers"), Group.objects.create(name="admins"))
    grant = make_grant(app, user, acr="urn:mfa", amr=["pwd", "otp"])
    token, _ = make_access_token(app, user=user, grant=grant)

    claims = read_jwt(introspect(client, gateway, token, JWT))

    assert claims["email"] == "ada@example.com"
    assert claims["email_verified"] is True
    assert claims["name"] == claims["given_name"] == "Ada"
    assert claims["groups"] == ["admins", "buyers"]
    assert claims["preferred_username"] == "ada"
    assert claims["auth_time"] == int(grant.authenticated_at.timestamp())
    assert (claims["acr"], claims["amr"]) == ("urn:mfa", ["pwd", "otp"])


@pytest.mark.usefixtures("_signing")
def test_phantom_jwt_carries_no_claim_that_was_not_asked_for(client, gateway, app):
    make_resource(ORDERS, readers=[gateway.client], claims=("given_name",))
    make_resource(INVOICES, readers=[gateway.client], claims=("email", "groups"))
    user = make_user(first_name="Ada")
    token, _ = make_access_token(
        app, user=user, grant=make_grant(app, user), resources=[ORDERS, INVOICES]
    )

    claims = read_jwt(introspect(client, gateway, token, JWT, resource=ORDERS))

    assert claims["given_name"] == "Ada"
    assert not {"email", "email_verified", "groups", "preferred_username", "username"} & set(claims)


def test_inactive_token_has_no_phantom(client, gateway):
    response = introspect(client, gateway, "junk", JWT)

    assert response.status_code == 204
    assert response.content == b""
    assert response["Cache-Control"] == "no-store"
    assert "Accept" in response["Vary"]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/jwt", "application/jwt"),
        ("application/jwt;q=0.5, application/json", "application/json"),
        ("application/json;q=0.5, application/jwt", "application/jwt"),
        ("application/jwt;q=0, */*", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
    ],
)
@pytest.mark.usefixtures("_signing")
def test_accept_chooses_the_form(client, gateway, app, accept, media_type):
    make_resource(readers=[gateway.client])
    token, _ = make_access_token(app)

    response = introspect(client, gateway, token, {"Accept": accept})

    assert response["Content-Type"] == media_type


@pytest.mark.compliance("RFC 8707", "2", "a JWT is for one resource, which must be named")
def test_jwt_for_several_resources_is_refused(client, gateway, app):
    make_resource(ORDERS, readers=[gateway.client])
    make_resource(INVOICES, readers=[gateway.client])
    token, _ = make_access_token(app, resources=[ORDERS, INVOICES])

    response = introspect(client, gateway, token, JWT)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_target"
    assert "resource" in response.json()["error_description"]


@pytest.mark.compliance("RFC 8707", "2", "a token is inactive for a resource it is not made for")
@pytest.mark.parametrize("resource", [INVOICES, "https://nobody.example/"])
def test_other_resource_is_inactive(client, gateway, app, resource):
    make_resource(ORDERS, readers=[gateway.client])
    make_resource(INVOICES, readers=[gateway.client])
    token, _ = make_access_token(app, resources=[ORDERS])

    assert introspect(client, gateway, token, resource=resource).json() == {"active": False}
    assert introspect(client, gateway, token, JWT, resource=resource).status_code == 204


def test_two_resources_at_once_are_refused(client, gateway):
    response = introspect(client, gateway, "x", resource=[ORDERS, INVOICES])

    assert response.json()["error"] == "invalid_target"


@pytest.mark.usefixtures("_signing")
@pytest.mark.parametrize("accept", ["application/json", "application/jwt"])
def test_one_statement_in_all(client, gateway, app, accept, django_assert_num_queries):
    make_resource(readers=[gateway.client], claims=("email", "groups"))
    user = make_user()
    token, _ = make_access_token(app, user=user, grant=make_grant(app, user))
    introspect(client, gateway, token, JWT)  # the process remembers the signing key

    with django_assert_num_queries(1):
        response = introspect(client, gateway, token, {"Accept": accept})

    assert response.status_code == 200


def test_junk_costs_one_statement_too(client, gateway, django_assert_num_queries):
    with django_assert_num_queries(1):
        introspect(client, gateway, "junk")
