"""Authlib 1.9 as a Django application uses it to sign people in (Python)."""

import pytest
from authlib.integrations.django_client import OAuth, OAuthError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from django.test import RequestFactory

from tests.interop.client_keys import generate_key
from tests.interop.conftest import REDIRECT_URI, RESOURCE

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("resource_server")]
SCOPE = "openid email offline_access interop:read"


class Visit:
    """One browser session at the application."""

    def __init__(self, stack, client, **options):
        self.app = OAuth().register(
            "tollgate",
            client_id=client["client_id"],
            client_secret=client.get("client_secret"),
            server_metadata_url=f"{stack.issuer}/.well-known/openid-configuration",
            client_kwargs={"scope": SCOPE, "code_challenge_method": "S256", **options},
        )
        self._session = {}

    def depart(self, **parameters):
        return self.app.authorize_redirect(self._request("/login"), REDIRECT_URI, **parameters).url

    def arrive(self, url):
        return self.app.authorize_access_token(self._request(url))

    def log_out(self, **parameters):
        return self.app.logout_redirect(self._request("/logout"), **parameters).url

    def arrive_from_logout(self, url):
        return self.app.validate_logout_response(self._request(url))

    def _request(self, url):
        request = RequestFactory().get(url)
        request.session = self._session
        return request


def test_person_signs_in_by_code_and_pkce(stack, person, app):
    visit = Visit(stack, app())

    token = visit.arrive(person.follow(visit.depart(resource=RESOURCE)))

    # The ID token's signature, nonce, audience and at_hash are checked by now.
    assert token["userinfo"]["iss"] == stack.issuer
    assert token["userinfo"]["amr"] == ["pwd"]
    about = visit.app.userinfo(token=token)
    assert about["sub"] == token["userinfo"]["sub"]
    assert about["email"] == person.person["email"]


def test_application_proves_itself_by_the_key_at_its_jwks_uri(
    stack, metadata, person, app, documents
):
    key, jwks = generate_key("ES256")
    origin, published = documents
    published["/jwks.json"] = jwks
    client = app(token_endpoint_auth_method="private_key_jwt", jwks_uri=f"{origin}/jwks.json")
    method = PrivateKeyJWT(metadata["token_endpoint"], alg="ES256", headers={"kid": key.kid})
    visit = Visit(stack, client | {"client_secret": key}, token_endpoint_auth_method=method)

    token = visit.arrive(person.follow(visit.depart(resource=RESOURCE)))

    assert visit.app.userinfo(token=token)["sub"] == token["userinfo"]["sub"]


def test_denial_reaches_the_application_as_an_error(stack, person, app):
    visit = Visit(stack, app())
    back = person.follow(visit.depart(resource=RESOURCE), decision="deny")

    with pytest.raises(OAuthError) as refused:
        visit.arrive(back)

    assert refused.value.error == "access_denied"


def test_session_refreshes_by_itself(stack, person, app):
    visit = Visit(stack, app())
    token = visit.arrive(person.follow(visit.depart(resource=RESOURCE)))
    fresh = []
    session = visit.app.client_cls(
        visit.app.client_id,
        visit.app.client_secret,
        token={**token, "expires_at": 1},
        token_endpoint=visit.app.server_metadata["token_endpoint"],
        update_token=lambda new, **_: fresh.append(new),
    )

    with session:
        answer = session.get(visit.app.server_metadata["userinfo_endpoint"])

    assert answer.status_code == 200, answer.text
    assert fresh[0]["refresh_token"] != token["refresh_token"]


def test_person_signs_out_and_returns_to_the_application(stack, new_person, app):
    there = "https://client.interop.example/logged-out"
    visit = Visit(stack, app(post_logout_redirect_uris=[there]))
    somebody = new_person()
    token = visit.arrive(somebody.follow(visit.depart(resource=RESOURCE)))

    back = somebody.follow(
        visit.log_out(post_logout_redirect_uri=there, id_token_hint=token["id_token"])
    )

    assert visit.arrive_from_logout(back)["post_logout_redirect_uri"] == there
    somebody.follow(visit.depart(resource=RESOURCE))
    assert somebody.signed_in == 2
