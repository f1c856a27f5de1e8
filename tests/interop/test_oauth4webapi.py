"""oauth4webapi 3, which checks every answer to the letter (JavaScript)."""

import pytest

pytestmark = [pytest.mark.live, pytest.mark.node]
SCOPE = "openid email offline_access interop:read"


def test_code_pkce_userinfo_refresh_and_revocation(run, app):
    run("oauth4webapi/code_with_pkce", client=app(), scope=SCOPE)


def test_pushed_request_is_checked_and_used(run, app):
    run("oauth4webapi/pushed", client=app(), scope=SCOPE)


def test_replayed_code_ends_what_it_had_brought(run, app):
    run("oauth4webapi/replayed_code", client=app(), scope=SCOPE)


def test_introspection_as_json(run, service):
    run("oauth4webapi/introspection", client=service(), scope="interop:read")


def test_introspection_as_a_signed_answer(run, stack, service):
    run(
        "oauth4webapi/signed_introspection",
        client=service(),
        scope="interop:read",
        unknown_token=stack.mint_unknown_token(),
    )


def test_hasty_device_is_slowed_down_and_a_denial_ends_its_wait(run, device):
    run("oauth4webapi/device", client=device(), scope="openid interop:read")


def test_proof_without_a_nonce_is_told_one_to_use(run, service, introspect):
    bound = run("oauth4webapi/dpop", client=service(), scope="interop:read")

    assert introspect(bound["access_token"])["cnf"] == {"jkt": bound["thumbprint"]}


def test_address_of_an_api_leads_to_its_token_service(run, stack):
    run(
        "oauth4webapi/resource_metadata",
        resource=stack.quickstart["client"]["resource"],
        url=stack.quickstart["sample"]["url"],
        scope="orders:read",
    )


def test_phantom_token_is_a_jwt_access_token_of_rfc_9068(run, service):
    run("oauth4webapi/phantom_token", client=service(), scope="interop:read")


def test_registration_of_a_native_client(run, initial_access_token):
    run("oauth4webapi/registration", initial_access_token=initial_access_token)
