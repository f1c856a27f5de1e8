"""Apache's mod_auth_openidc, a certified relying party (C): sign-in, refresh and logout."""

import secrets

import httpx
import pytest

from tests.interop.apache_server import serve_apache
from tests.live_stack import find_free_ports

pytestmark = [pytest.mark.live, pytest.mark.apache("auth_openidc")]
# Members that the module shows on its information page.
INFORMATION = "access_token refresh_token id_token userinfo"


@pytest.fixture(scope="module")
def site(stack, app):
    """A site whose pages under /members are for people who signed in."""
    [port] = find_free_ports(1)
    origin = f"http://127.0.0.1:{port}"
    client = app(
        redirect_uris=[f"{origin}/members/signed-in"],
        post_logout_redirect_uris=[f"{origin}/index.txt"],
    )
    directives = _DIRECTIVES.format(
        issuer=stack.issuer,
        origin=origin,
        client_id=client["client_id"],
        client_secret=client["client_secret"],
        passphrase=secrets.token_hex(16),
        information=INFORMATION,
    )
    with serve_apache("auth_openidc", port, directives) as running:
        yield running


@pytest.fixture
def browser(site):
    """What the person's browser keeps of the site."""
    with httpx.Client(base_url=site, timeout=15) as client:
        yield client


def sign_in(browser, person):
    asked = browser.get("/members/index.txt")
    assert asked.status_code == 302, asked.text
    returned = browser.get(person.follow(asked.headers["location"]))
    assert returned.status_code == 302, returned.text
    return browser.get(returned.headers["location"])


def test_person_signs_in_and_the_site_knows_who_it_is(stack, browser, person):
    page = sign_in(browser, person)

    assert page.status_code == 200, page.text
    assert page.headers["x-email"] == person.person["email"]
    assert page.headers["x-issuer"] == stack.issuer


def test_denial_keeps_the_person_out(browser, new_person):
    asked = browser.get("/members/index.txt")

    browser.get(new_person().follow(asked.headers["location"], decision="deny"))

    # What it shows is its own: 2.4.12 takes an error with `iss` (RFC 9207) for something else.
    assert browser.get("/members/index.txt").status_code == 302


def test_site_refreshes_its_tokens(site, browser, person):
    sign_in(browser, person)
    before = browser.get("/members/signed-in?info=json").json()

    answer = browser.get(
        "/members/signed-in",
        params={"refresh": f"{site}/members/index.txt", "access_token": before["access_token"]},
    )
    after = browser.get("/members/signed-in?info=json").json()

    assert answer.headers["location"] == f"{site}/members/index.txt"
    assert after["access_token"] != before["access_token"]
    assert after["userinfo"]["sub"] == before["id_token"]["sub"]


def test_person_signs_out_of_the_site_and_of_the_token_service(site, browser, new_person):
    person = new_person()
    sign_in(browser, person)

    left = browser.get("/members/signed-in", params={"logout": f"{site}/index.txt"})
    back = person.follow(left.headers["location"])

    assert back == f"{site}/index.txt"
    sign_in(browser, person)
    assert person.signed_in == 2


_DIRECTIVES = """
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI {origin}/members/signed-in
OIDCCryptoPassphrase {passphrase}
OIDCScope "openid email offline_access"
OIDCPKCEMethod S256
OIDCResponseType code
OIDCInfoHook {information}
<Location /members>
  AuthType openid-connect
  Require valid-user
  Header always set X-Email "%{{OIDC_CLAIM_email}}e"
  Header always set X-Issuer "%{{OIDC_CLAIM_iss}}e"
</Location>
"""
