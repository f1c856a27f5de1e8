"""Apache's mod_oauth2 (C) as a resource server that introspects, and as an upstream with JWKS."""

from urllib.parse import urlencode

import httpx
import pytest

from tests.interop.apache_server import serve_apache
from tests.interop.conftest import RESOURCE
from tests.live_stack import find_free_ports

pytestmark = [pytest.mark.live, pytest.mark.apache("oauth2")]


@pytest.fixture(scope="module")
def api(stack, metadata, resource_server):
    """Somebody else's API, which introspects each token itself."""
    options = {
        "introspect.auth": "client_secret_basic",
        "client_id": resource_server["client_id"],
        "client_secret": resource_server["client_secret"],
        "expiry": 0,
    }
    verify = f"introspect {metadata['introspection_endpoint']} {urlencode(options)}"
    [port] = find_free_ports(1)
    with serve_apache("oauth2", port, _DIRECTIVES.format(verify=verify)) as running:
        yield running


def call(api, token, path="/members/index.txt"):
    return httpx.get(api + path, headers={"Authorization": f"Bearer {token}"}, timeout=15)


def test_token_for_the_api_is_let_in_and_described(stack, api, service):
    client = service()
    token = stack.token(scope="interop:read", client=client, resource=RESOURCE)

    answer = call(api, token)

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-client"] == client["client_id"]
    assert answer.headers["x-scope"] == "interop:read"


def test_token_of_a_person_names_the_person(api, app, persons_token):
    client = app()

    answer = call(api, persons_token(client, "interop:read"))

    assert answer.status_code == 200, answer.text
    assert answer.headers["x-subject"] not in {"", client["client_id"]}


def test_token_for_another_api_is_refused(stack, api):
    assert call(api, stack.token()).status_code == 401


def test_unknown_token_is_refused(stack, api):
    assert call(api, stack.mint_unknown_token()).status_code == 401


def test_revoked_token_is_refused(stack, api, service):
    client = service()
    token = stack.token(scope="interop:read", client=client, resource=RESOURCE)
    assert call(api, token).status_code == 200

    stack.revoke(token, client=client)

    assert call(api, token).status_code == 401


def test_upstream_behind_the_gateway_verifies_the_phantom_token_by_jwks(stack, metadata):
    [port] = find_free_ports(1)
    verify = f"jwks_uri {metadata['jwks_uri']} verify.exp=required&verify.iat=required"
    with serve_apache("oauth2", port, _DIRECTIVES.format(verify=verify)) as origin:
        api = stack.new_api(upstream_url=origin)
        token = api.token()

        through = stack.call("GET", f"{api.base_path}/members/index.txt", token=token)
        around = call(origin, token)

    assert through.status_code == 200, through.text
    assert through.headers["x-client"] == api.application.client_id
    assert around.status_code == 401  # the opaque token means nothing behind the gateway


_DIRECTIVES = """
OAuth2TokenVerify {verify}
<Location /members>
  AuthType oauth2
  Require valid-user
  Header always set X-Subject "%{{OAUTH2_CLAIM_sub}}e"
  Header always set X-Client "%{{OAUTH2_CLAIM_client_id}}e"
  Header always set X-Scope "%{{OAUTH2_CLAIM_scope}}e"
</Location>
"""
