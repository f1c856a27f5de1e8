import pytest
from django.conf import settings

from tests.factories import authorization as flow

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _registry():
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_code_client(is_first_party=True).client


@pytest.mark.compliance("RFC 9207", "2", "iss in success responses")
def test_success_names_the_issuer(client, app):
    flow.sign_in(client, flow.make_person())

    answer = flow.answer_of(flow.authorize(client, app))

    assert answer["iss"] == settings.ISSUER
    assert set(answer) == {"code", "state", "iss"}


@pytest.mark.compliance("RFC 9207", "2", "iss in error responses")
@pytest.mark.parametrize("changes", [{"scope": "nonsense"}, {"prompt": "none"}])
def test_error_names_the_issuer(client, app, changes):
    assert flow.answer_of(flow.authorize(client, app, **changes))["iss"] == settings.ISSUER


def test_denial_names_the_issuer(client):
    flow.sign_in(client, flow.make_person())
    third_party = flow.make_code_client().client

    answer = flow.answer_of(flow.decide(client, flow.authorize(client, third_party), "deny"))

    assert (answer["error"], answer["iss"]) == ("access_denied", settings.ISSUER)
