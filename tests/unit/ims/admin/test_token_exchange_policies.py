import pytest

from ims.admin.token_exchange_policies import TokenExchangePolicyForm
from tests.factories import token_exchange as rfc8693
from tests.factories.identity import ORDERS, make_client, make_resource

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _registry():
    make_resource(ORDERS)


def fill_in(**changes):
    form = {
        "client": rfc8693.make_acting_client().client.pk,
        "may_delegate": "on",
        "subject_clients": [make_client().client.pk],
        "resources": ORDERS,
        "scopes": "orders:read",
    }
    return TokenExchangePolicyForm(form | changes)


def test_policy_is_saved_as_it_is_filled_in():
    form = fill_in()

    assert form.is_valid(), form.errors
    policy = form.save()
    assert (policy.may_delegate, policy.may_impersonate) == (True, False)
    assert (policy.resources, policy.scopes) == ([ORDERS], ["orders:read"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resources": "https://elsewhere.example/"}, "Not registered"),
        ({"scopes": "orders:read,manage"}, "never passed on"),
        ({"scopes": "offline_access"}, "never passed on"),
    ],
)
def test_what_cannot_work_is_named(changes, words):
    assert words in str(fill_in(**changes).errors)


def test_page_is_there_for_administrators(admin_client):
    agent = rfc8693.make_acting_client()
    policy = rfc8693.make_policy(agent, make_client())

    listed = admin_client.get("/admin/ims/tokenexchangepolicy/")
    shown = admin_client.get(f"/admin/ims/tokenexchangepolicy/{policy.pk}/change/")

    assert "Agent" in listed.content.decode()
    assert shown.status_code == 200
