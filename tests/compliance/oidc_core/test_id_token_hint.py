import pytest
from django.conf import settings

from ims.services.ensure_signing_key import ensure_signing_key
from ims.services.sign_jwt import sign_jwt
from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _installation():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_code_client(is_first_party=True).client


@pytest.fixture
def person():
    return flow.make_person()


def hint(app, person):
    claims = {"iss": settings.ISSUER, "sub": str(person.subject), "aud": app.client_id}
    return sign_jwt(claims=claims, typ="JWT")


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "the hinted person is signed in: answer")
def test_hint_of_the_signed_in_person_is_answered(client, app, person):
    flow.sign_in(client, person)

    answer = flow.answer_of(
        flow.authorize(client, app, prompt="none", id_token_hint=hint(app, person))
    )

    assert "code" in answer


@pytest.mark.compliance("OpenID Connect Core", "3.1.2.1", "another person is signed in: error")
@pytest.mark.parametrize("prompt", ["none", None])
def test_hint_of_another_person_is_login_required(client, app, person, prompt):
    flow.sign_in(client, flow.make_person("eve@example.com"))

    answer = flow.answer_of(
        flow.authorize(client, app, prompt=prompt, id_token_hint=hint(app, person))
    )

    assert answer["error"] == "login_required"


@pytest.mark.compliance(
    "OpenID Connect Core", "3.1.2.1", "a hint that is no ID token of ours is refused"
)
def test_hint_of_another_client_or_nonsense_is_refused(client, app, person):
    flow.sign_in(client, person)
    other = flow.make_code_client().client

    for wrong in (hint(other, person), "nonsense"):
        answer = flow.answer_of(flow.authorize(client, app, id_token_hint=wrong))
        assert (answer["error"], "id_token_hint" in answer["error_description"]) == (
            "invalid_request",
            True,
        )
