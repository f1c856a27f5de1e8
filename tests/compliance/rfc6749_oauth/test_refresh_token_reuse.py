from datetime import timedelta

import pytest
from django.utils import timezone

from ims import conf
from ims.models import AccessToken, Grant, RefreshToken
from ims.services.ensure_signing_key import ensure_signing_key
from tests.factories import authorization as flow
from tests.factories.identity import INVOICES
from wire import bearer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _installation():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def app():
    return flow.make_code_client()


@pytest.fixture
def browser(client):
    return flow.sign_in(client, flow.make_person())


@pytest.fixture
def first(browser, app):
    code = flow.obtain_code(browser, app.client, scope="openid orders:read orders:write")
    return flow.exchange(browser, app, code).json()["refresh_token"]


def let_pass(seconds):
    """Move every use of a refresh token into the past."""
    for row in RefreshToken.objects.exclude(used_at=None):
        row.used_at -= timedelta(seconds=seconds)
        row.save()


def check_family_is_dead(browser, app, response, *others):
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_grant"
    assert "used before" in response.json()["error_description"]
    assert Grant.objects.get().revoked_at is not None
    assert not AccessToken.objects.filter(revoked_at=None).exists()
    for token in others:
        assert flow.refresh(browser, app, token).json()["error"] == "invalid_grant"


@pytest.mark.compliance("RFC 9700", "4.14.2", "a lost answer: the predecessor tells it once more")
def test_predecessor_gets_the_same_successor_and_a_fresh_access_token(browser, app, first):
    answer = flow.refresh(browser, app, first).json()

    again = flow.refresh(browser, app, first)

    assert again.status_code == 200
    assert again.json()["refresh_token"] == answer["refresh_token"]
    assert again.json()["access_token"] != answer["access_token"]
    assert again.json()["id_token"]
    assert RefreshToken.objects.count() == 2
    assert Grant.objects.get().revoked_at is None
    assert flow.refresh(browser, app, answer["refresh_token"]).status_code == 200


def test_repetition_with_a_cut_has_the_same_successor(browser, app, first):
    flow.make_orders(INVOICES, scopes=("invoices:read",))
    answer = flow.refresh(browser, app, first).json()

    cut = flow.refresh(browser, app, first, scope="orders:read").json()

    assert (cut["refresh_token"], cut["scope"]) == (answer["refresh_token"], "orders:read")
    assert flow.refresh(browser, app, cut["refresh_token"]).json()["scope"] == answer["scope"]


def test_repetition_that_asks_for_too_much_is_refused_and_harmless(browser, app, first):
    answer = flow.refresh(browser, app, first).json()

    assert flow.refresh(browser, app, first, scope="email").json()["error"] == "invalid_scope"
    assert flow.refresh(browser, app, first, resource=INVOICES).json()["error"] == "invalid_target"
    assert flow.refresh(browser, app, answer["refresh_token"]).status_code == 200


@pytest.mark.compliance("RFC 9700", "4.14.2", "reuse of a refresh token revokes the family")
def test_predecessor_of_a_used_successor_revokes_the_family(browser, app, first):
    second = flow.refresh(browser, app, first).json()["refresh_token"]
    third = flow.refresh(browser, app, second).json()["refresh_token"]

    check_family_is_dead(browser, app, flow.refresh(browser, app, first), second, third)


@pytest.mark.compliance("RFC 9700", "4.14.2", "reuse after the window revokes the family")
def test_predecessor_after_the_window_revokes_the_family(browser, app, first):
    second = flow.refresh(browser, app, first).json()["refresh_token"]
    let_pass(conf.REFRESH_REPEAT_SECONDS + 1)

    check_family_is_dead(browser, app, flow.refresh(browser, app, first), second)


def test_predecessor_just_inside_the_window_is_answered(browser, app, first):
    second = flow.refresh(browser, app, first).json()["refresh_token"]
    let_pass(conf.REFRESH_REPEAT_SECONDS - 20)

    assert flow.refresh(browser, app, first).json()["refresh_token"] == second


def test_repetition_does_not_prolong_the_window(browser, app, first):
    flow.refresh(browser, app, first)
    let_pass(conf.REFRESH_REPEAT_SECONDS - 20)
    flow.refresh(browser, app, first)
    let_pass(40)

    check_family_is_dead(browser, app, flow.refresh(browser, app, first))


def test_token_used_before_successions_were_derived_revokes_the_family(browser, app, first):
    flow.refresh(browser, app, first)
    RefreshToken.objects.update(successor_salt=None)

    check_family_is_dead(browser, app, flow.refresh(browser, app, first))


def test_repetition_for_a_revoked_grant_is_refused(browser, app, first):
    flow.refresh(browser, app, first)
    Grant.objects.update(revoked_at=timezone.now())

    assert flow.refresh(browser, app, first).json()["error"] == "invalid_grant"


def test_successor_survives_a_new_secret_key(browser, app, first, settings):
    second = flow.refresh(browser, app, first).json()["refresh_token"]
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key, made up for this test only"
    ensure_signing_key()

    assert flow.refresh(browser, app, first).json()["refresh_token"] == second


def test_successor_cannot_be_told_under_another_secret_key(browser, app, first, settings):
    flow.refresh(browser, app, first)
    settings.SECRET_KEY = "another secret key, made up for this test only"

    check_family_is_dead(browser, app, flow.refresh(browser, app, first))


def test_successor_is_stored_as_a_digest_only(browser, app, first):
    second = flow.refresh(browser, app, first).json()["refresh_token"]

    row = RefreshToken.objects.get(digest=bearer.digest(first))
    assert bearer.is_well_formed(second, bearer.Prefix.REFRESH_TOKEN)
    assert RefreshToken.objects.filter(digest=bearer.digest(second), used_at=None).exists()
    assert len(bytes(row.successor_salt)) == 32
    assert bearer.spell(bearer.Prefix.REFRESH_TOKEN, bytes(row.successor_salt)) != second


def test_repetition_takes_six_statements(browser, app, first, django_assert_max_num_queries):
    flow.refresh(browser, app, first)

    with django_assert_max_num_queries(6):
        assert flow.refresh(browser, app, first).status_code == 200


def test_public_clients_predecessor_without_its_key_changes_nothing(browser):
    public = flow.make_public_code_client()
    code = flow.obtain_code(browser, public, scope="openid offline_access")
    first = flow.exchange(browser, public, code).json()["refresh_token"]
    flow.refresh(browser, public, first)
    RefreshToken.objects.update(dpop_jkt="k" * 43)

    response = flow.refresh(browser, public, first)

    assert "DPoP key" in response.json()["error_description"]
    assert Grant.objects.get().revoked_at is None
