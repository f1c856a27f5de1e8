"""The steps of a client and its person through the authorization code flow, over HTTP."""

import base64
import hashlib
import re
from html import unescape
from urllib.parse import parse_qsl, urlencode, urlsplit

from ims.models import ResourceScope
from ims.services.create_person import create_person
from tests.factories.identity import ORDERS, make_client, make_public_client, make_resource

PASSWORD = "a long pass phrase for tests"
REDIRECT_URI = "https://app.example/callback"
VERIFIER = "a-verifier-that-only-this-client-knows-0123456789"
FORM = "application/x-www-form-urlencoded"


def challenge_of(verifier):
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def make_person(email="ada@example.com", name="Ada Lovelace"):
    return create_person(email=email, password=PASSWORD, name=name)


def make_orders(resource=ORDERS, scopes=("orders:read", "orders:write")):
    record = make_resource(resource, scopes=scopes)
    ResourceScope.objects.filter(name="orders:read").update(description="See your orders")
    return record


def code_client_members():
    return {
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "redirect_uris": REDIRECT_URI,
        "name": "Order book",
    }


def make_code_client(**changes):
    """Return a confidential client (with its secret) that may use codes and refresh tokens."""
    return make_client(**(code_client_members() | changes))


def make_public_code_client(**changes):
    return make_public_client(**(code_client_members() | changes))


def sign_in(browser, person):
    """Sign in through allauth's own page, so that the authentication event is a real one."""
    response = browser.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    assert response.status_code == 302, response.content
    return browser


def authorization_parameters(client, **changes):
    """Return the parameters of a correct request; a change to None leaves one out."""
    parameters = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": REDIRECT_URI,
        "scope": "openid orders:read",
        "state": "st&te=1",
        "nonce": "n-0S6",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    } | changes
    return {name: value for name, value in parameters.items() if value is not None}


def authorize(browser, client, **changes):
    query = urlencode(authorization_parameters(client, **changes), doseq=True)
    return browser.get(f"/oauth/authorize?{query}")


def answer_of(response):
    """Return the parameters of the authorization response in a redirect to the client."""
    assert response.status_code in {302, 303}, response.content
    assert response["Location"].startswith(REDIRECT_URI), response["Location"]
    return dict(parse_qsl(urlsplit(response["Location"]).query))


def decide(browser, consent_page, decision="allow", **more):
    """Answer the consent page at the address that `consent_page` redirects to."""
    shown = browser.get(consent_page["Location"])
    seen = re.search(r'name="seen" value="(\w+)"', text_of(shown))
    form = {"decision": decision, "seen": seen[1] if seen else ""} | more
    return browser.post(consent_page["Location"], form)


def obtain_code(browser, client, **changes):
    """Return a code that the signed-in person allowed."""
    response = authorize(browser, client, **changes)
    if response["Location"].startswith("/oauth/consent/"):
        response = decide(browser, response)
    return answer_of(response)["code"]


def post_token(browser, known, **form):
    """POST to the token endpoint as `known` (a KnownClient, or a public Client)."""
    headers = getattr(known, "headers", {})
    if not headers:
        form["client_id"] = known.client_id
    return browser.post(
        "/oauth/token", urlencode(form, doseq=True), content_type=FORM, headers=headers
    )


def exchange(browser, known, code, **changes):
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
    } | changes
    return post_token(browser, known, **{k: v for k, v in form.items() if v is not None})


def refresh(browser, known, token, **changes):
    return post_token(browser, known, grant_type="refresh_token", refresh_token=token, **changes)


def text_of(response):
    return unescape(response.content.decode())
