import pytest

from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _installation():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture(params=["confidential", "public"])
def app(request):
    if request.param == "public":
        return flow.make_public_code_client()
    return flow.make_code_client()


@pytest.fixture
def record(app):
    return getattr(app, "client", app)


@pytest.fixture
def browser(client):
    return flow.sign_in(client, flow.make_person())


def refused_at_authorization(response):
    answer = flow.answer_of(response)
    assert answer["error"] == "invalid_request", answer
    return answer["error_description"]


@pytest.mark.compliance("RFC 7636", "4.4.1", "a request without challenge is refused")
def test_missing_challenge_is_refused(client, record):
    response = flow.authorize(client, record, code_challenge=None, code_challenge_method=None)

    assert "PKCE is required" in refused_at_authorization(response)


@pytest.mark.compliance("RFC 9700", "2.1.1", "plain is refused")
@pytest.mark.parametrize("method", ["plain", None, "s256", "S512"])
def test_other_methods_than_s256_are_refused(client, record, method):
    response = flow.authorize(client, record, code_challenge_method=method)

    assert "plain is refused" in refused_at_authorization(response)


@pytest.mark.compliance("RFC 7636", "4.2", "a challenge is the base64url of a SHA-256 digest")
@pytest.mark.parametrize("challenge", ["short", "x" * 44, "+" * 43, flow.VERIFIER + "="])
def test_malformed_challenge_is_refused(client, record, challenge):
    response = flow.authorize(client, record, code_challenge=challenge)

    assert "43 characters" in refused_at_authorization(response)


@pytest.mark.compliance("RFC 7636", "4.6", "the verifier must match the challenge")
def test_wrong_verifier_is_refused(browser, app, record):
    code = flow.obtain_code(browser, record)

    response = flow.exchange(browser, app, code, code_verifier="w" * 43)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_grant"
    assert "code_verifier" in response.json()["error_description"]


@pytest.mark.compliance("RFC 7636", "4.5", "a missing verifier is refused")
@pytest.mark.parametrize("verifier", [None, "short", "v" * 129, "ü" * 43])
def test_missing_or_malformed_verifier_is_refused(browser, app, record, verifier):
    code = flow.obtain_code(browser, record)

    response = flow.exchange(browser, app, code, code_verifier=verifier)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"
    assert "code_verifier" in response.json()["error_description"]


def test_challenge_itself_is_no_verifier(browser, app, record):
    code = flow.obtain_code(browser, record)

    response = flow.exchange(browser, app, code, code_verifier=flow.challenge_of(flow.VERIFIER))

    assert response.json()["error"] == "invalid_grant"
