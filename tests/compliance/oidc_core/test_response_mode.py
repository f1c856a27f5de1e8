import re
from html import unescape

import pytest
from django.conf import settings

from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _installation():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_code_client(is_first_party=True)


@pytest.fixture
def browser(client):
    return flow.sign_in(client, flow.make_person())


def form_of(response):
    """Return where the page's form goes, and what it carries."""
    assert response.status_code == 200, response.content
    text = response.content.decode()
    target = re.search(r'<form method="post" action="([^"]*)" id="answer"', text)[1]
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', text)
    return unescape(target), {name: unescape(value) for name, value in fields}


@pytest.mark.compliance(
    "OAuth 2.0 Form Post Response Mode", "2", "the answer is a form that sends itself"
)
def test_code_travels_in_a_form(browser, app):
    response = flow.authorize(browser, app.client, response_mode="form_post")

    target, fields = form_of(response)
    assert target == flow.REDIRECT_URI
    assert (fields["state"], fields["iss"]) == ("st&te=1", settings.ISSUER)
    assert flow.exchange(browser, app, fields["code"]).status_code == 200
    assert response["Cache-Control"] == "no-store"
    policy = f"{response['Content-Security-Policy']};"
    assert "form-action 'self' https://app.example;" in policy
    assert "'unsafe-inline'" not in policy
    nonce = re.search(r"'nonce-([^']+)'", policy)[1]
    assert f'<script nonce="{nonce}">' in response.content.decode()
    assert '<button type="submit"' in response.content.decode()


@pytest.mark.compliance("OAuth 2.0 Form Post Response Mode", "2", "errors travel in the form too")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "unheard:of"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "consent none"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
    ],
)
def test_errors_travel_in_a_form(browser, app, changes, error):
    response = flow.authorize(browser, app.client, response_mode="form_post", **changes)

    target, fields = form_of(response)
    assert target == flow.REDIRECT_URI
    assert (fields["error"], fields["state"], fields["iss"]) == (error, "st&te=1", settings.ISSUER)


def test_answer_to_the_consent_page_travels_in_a_form(browser):
    known = flow.make_code_client()

    for decision, member in (("deny", "error"), ("allow", "code")):
        page = flow.authorize(browser, known.client, response_mode="form_post")
        _, fields = form_of(flow.decide(browser, page, decision))
        assert member in fields


def test_values_are_escaped(browser, app):
    state = '"><script>alert(1)</script>'

    response = flow.authorize(browser, app.client, response_mode="form_post", state=state)

    assert b"<script>alert(1)" not in response.content
    assert form_of(response)[1]["state"] == state


def test_query_may_be_asked_for_by_name(browser, app):
    answer = flow.answer_of(flow.authorize(browser, app.client, response_mode="query"))

    assert "code" in answer


@pytest.mark.parametrize("mode", ["fragment", "form_post.jwt", "jwt", "unheard_of"])
def test_other_modes_are_refused_in_the_query(browser, app, mode):
    answer = flow.answer_of(flow.authorize(browser, app.client, response_mode=mode))

    assert (answer["error"], "response_mode" in answer["error_description"]) == (
        "invalid_request",
        True,
    )


def test_private_scheme_cannot_be_posted_to(browser):
    uri = "com.example.app:/callback"
    known = flow.make_code_client(redirect_uris=uri)

    response = flow.authorize(browser, known.client, redirect_uri=uri, response_mode="form_post")

    assert response["Location"].startswith(f"{uri}?error=invalid_request")
