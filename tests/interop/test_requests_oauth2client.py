"""requests-oauth2client 1.8 (Python)."""

import pytest
from requests_oauth2client import (
    AccessDenied,
    BearerToken,
    ClientSecretBasic,
    InvalidGrant,
    InvalidScope,
    OAuth2Client,
)

from tests.interop.client_keys import generate_key
from tests.interop.conftest import REDIRECT_URI, RESOURCE

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("resource_server")]
SCOPE = "openid email offline_access interop:read"


def connect(stack, client, **options):
    return OAuth2Client.from_discovery_endpoint(
        issuer=stack.issuer,
        client_id=client["client_id"],
        client_secret=client.get("client_secret"),
        redirect_uri=REDIRECT_URI,
        id_token_signed_response_alg="ES256",
        testing=True,  # lets the issuer be on loopback
        **options,
    )


def sign_in(client, person, *, validate=True):
    request = client.authorization_request(scope=SCOPE, resource=RESOURCE)
    answer = request.validate_callback(person.follow(request.uri))
    return client.authorization_code(answer, validate=validate)


def test_person_signs_in_and_the_tokens_are_used_up(stack, person, app):
    client = connect(stack, app(token_endpoint_auth_method="client_secret_post"))

    first = sign_in(client, person)
    second = client.refresh_token(first)
    assert client.userinfo(second)["email"] == person.person["email"]

    assert client.revoke_refresh_token(second)
    with pytest.raises(InvalidGrant):
        client.refresh_token(second)


def test_service_token_is_introspected(stack, service, resource_server):
    client = connect(stack, service(token_endpoint_auth_method="client_secret_post"))
    token = client.client_credentials(scope="interop:read", resource=RESOURCE)
    server = OAuth2Client(
        token_endpoint=client.token_endpoint,
        introspection_endpoint=client.introspection_endpoint,
        auth=ClientSecretBasic(resource_server["client_id"], resource_server["client_secret"]),
        testing=True,
    )

    answer = server.introspect_token(token)

    assert answer["active"] is True
    assert answer["client_id"] == client.client_id
    assert client.revoke_access_token(token)
    assert server.introspect_token(token) == {"active": False}


def test_device_whose_person_denies_is_told_so(stack, metadata, person, device):
    endpoint = metadata["device_authorization_endpoint"]  # the library does not discover it
    client = connect(stack, device(), device_authorization_endpoint=endpoint)
    asked = client.authorize_device(scope=SCOPE, resource=RESOURCE)

    person.enter_code(asked.verification_uri_complete, asked.user_code, decision="deny")

    with pytest.raises(AccessDenied):
        client.device_code(asked)


def test_delegation_names_who_acts(stack, app, backend, persons_token, introspect):
    web = app()
    subject = persons_token(web, "interop:read")
    client = connect(stack, backend(web, token_endpoint_auth_method="client_secret_post"))
    own = client.client_credentials(scope="interop:read", resource=RESOURCE)

    token = client.token_exchange(
        subject_token=BearerToken(subject), actor_token=own, resource=RESOURCE
    )

    about = introspect(token.access_token)
    assert about["sub"] == introspect(subject)["sub"]
    assert about["act"]["sub"] == client.client_id


def test_service_proves_itself_by_its_key(stack, service, introspect):
    key, jwks = generate_key("ES256")
    registered = service(token_endpoint_auth_method="private_key_jwt", jwks=jwks)
    private_key = key.as_dict(private=True)
    client = connect(stack, {"client_id": registered["client_id"]}, private_key=private_key)

    token = client.client_credentials(scope="interop:read", resource=RESOURCE)

    assert introspect(token.access_token)["active"] is True


def test_bound_tokens_are_used_and_refreshed_with_their_key(stack, person, app, introspect):
    client = connect(stack, app(token_endpoint_auth_method="none"), dpop_bound_access_tokens=True)

    # Its check of an ID token cannot copy a bound token, and fails by itself.
    first = sign_in(client, person, validate=False)
    second = client.refresh_token(first)

    assert client.userinfo(second)["email"] == person.person["email"]
    assert introspect(second.access_token)["cnf"] == {"jkt": second.dpop_key.dpop_jkt}


def test_request_is_pushed_ahead(stack, person, app):
    client = connect(stack, app(token_endpoint_auth_method="client_secret_post"))
    request = client.authorization_request(scope=SCOPE, resource=RESOURCE)

    pushed = client.pushed_authorization_request(request)
    answer = request.validate_callback(person.follow(pushed.uri))

    assert client.authorization_code(answer, validate=True).id_token.subject


def test_unknown_scope_is_told_by_its_code(stack, service, resource_server):
    client = connect(stack, service(token_endpoint_auth_method="client_secret_post"))

    with pytest.raises(InvalidScope):
        client.client_credentials(scope="interop:nothing", resource=RESOURCE)
