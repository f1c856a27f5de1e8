"""openid-client 6, an OpenID-certified relying party (JavaScript), against the running server."""

import pytest

from tests.interop.client_keys import generate_key
from tests.interop.conftest import RESOURCE
from tests.interop.robot_server import serve_robot

pytestmark = [pytest.mark.live, pytest.mark.node]
SCOPE = "openid email offline_access interop:read"
LOGGED_OUT_URI = "https://client.interop.example/logged-out"


def test_both_discovery_documents_are_accepted_and_agree(run, app):
    run("openid-client/discovery", client=app())


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_person_signs_in_by_code_and_pkce(run, app, method):
    client = app(token_endpoint_auth_method=method)

    tokens = run("openid-client/code_with_pkce", client=client, scope=SCOPE)

    assert set(tokens["scope"].split()) == set(SCOPE.split())
    assert tokens["token_type"] == "bearer"


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_request_is_pushed_ahead(run, app, method):
    client = app(token_endpoint_auth_method=method, require_pushed_authorization_requests=True)

    run("openid-client/pushed", client=client, scope=SCOPE)


@pytest.mark.parametrize("is_stolen", [False, True])
def test_proof_of_a_pushed_request_binds_its_code(run, app, is_stolen):
    run("openid-client/pushed_with_dpop", client=app(), scope=SCOPE, is_stolen=is_stolen)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_id_token_is_signed_by_the_registered_algorithm(run, app, algorithm):
    client = app(id_token_signed_response_alg=algorithm)
    assert client["id_token_signed_response_alg"] == algorithm

    run("openid-client/code_with_pkce", client=client, scope=SCOPE)


def test_denial_is_told_to_the_client_with_issuer_and_state(run, app):
    run("openid-client/denied", client=app(), scope=SCOPE)


def test_silent_request_without_consent_is_refused(run, app):
    run("openid-client/nobody_to_ask", client=app(), scope=SCOPE, error="consent_required")


def test_silent_request_without_a_session_is_refused(run, app, new_person):
    with serve_robot(new_person()) as stranger:
        run(
            "openid-client/nobody_to_ask",
            client=app(),
            scope=SCOPE,
            robot=stranger,
            error="login_required",
        )


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_refresh_brings_new_tokens(run, app, method):
    run("openid-client/refresh", client=app(token_endpoint_auth_method=method), scope=SCOPE)


def test_revoked_refresh_token_takes_its_access_token_along(run, app):
    run("openid-client/revocation", client=app(), scope=SCOPE)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_service_gets_a_token_by_its_secret(run, service, method):
    client = service(token_endpoint_auth_method=method)

    run("openid-client/client_credentials", client=client, scope="interop:read")


def test_device_gets_tokens_when_its_person_has_typed_the_code(run, device):
    run("openid-client/device", client=device(), scope=SCOPE)


@pytest.mark.parametrize("algorithm", ["ES256", "PS256"])
def test_client_proves_itself_by_its_key(run, app, algorithm):
    key, jwks = generate_key(algorithm)
    client = app(token_endpoint_auth_method="private_key_jwt", jwks=jwks)

    run(
        "openid-client/private_key_jwt",
        client=client,
        scope=SCOPE,
        private_key=key.as_dict(private=True),
    )


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_public_clients_tokens_are_bound_to_its_key(run, app, introspect, algorithm):
    client = app(token_endpoint_auth_method="none")

    bound = run("openid-client/dpop", client=client, scope=SCOPE, algorithm=algorithm)

    about = introspect(bound["access_token"])
    assert about["cnf"] == {"jkt": bound["thumbprint"]}
    assert about["token_type"] == "DPoP"


def test_service_acts_for_a_person_within_its_policy(run, app, backend, persons_token, introspect):
    web = app()
    client = backend(web)
    subject = persons_token(web, "interop:read interop:write")

    token = run(
        "openid-client/token_exchange",
        client=client,
        subject_token=subject,
        scope="interop:read",
        scope_beyond="interop:write",
    )

    about = introspect(token)
    assert about["client_id"] == client["client_id"]
    assert about["sub"] == introspect(subject)["sub"]


def test_resource_server_introspects(run, stack, service, resource_server):
    client = service()
    token = stack.token(scope="interop:read", client=client, resource=RESOURCE)

    answer = run(
        "openid-client/introspection",
        client=resource_server,
        token=token,
        unknown_token=stack.mint_unknown_token(),
    )

    assert answer["client_id"] == client["client_id"]
    assert answer["scope"] == "interop:read"


def test_resource_server_gets_its_answers_encrypted(run, stack, service, sealed_server):
    client, (server, private_key) = service(), sealed_server
    token = stack.token(scope="interop:read", client=client, resource=RESOURCE)

    answer = run(
        "openid-client/encrypted_introspection",
        client=server,
        private_key=private_key,
        token=token,
    )

    assert answer["client_id"] == client["client_id"]


def test_client_registers_itself_and_signs_somebody_in(run, initial_access_token):
    run("openid-client/registration", scope=SCOPE, initial_access_token=initial_access_token)


def test_person_signs_out_and_returns_to_the_application(run, app, new_person):
    client = app(post_logout_redirect_uris=[LOGGED_OUT_URI])
    somebody = new_person()

    with serve_robot(somebody) as robot:
        back = run("openid-client/logout", client=client, scope=SCOPE, robot=robot)
        run(
            "openid-client/nobody_to_ask",
            client=client,
            scope=SCOPE,
            robot=robot,
            error="login_required",
        )

    assert back == f"{LOGGED_OUT_URI}?state=after-logout"
