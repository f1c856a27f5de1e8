from datetime import timedelta

import jwt
import pytest
from django.utils import timezone

from ims.models import AccessToken, Consent, DeviceAuthorization, Grant, User
from ims.services.disable_client import disable_client
from ims.services.ensure_signing_key import ensure_signing_key
from ims.services.revoke_grant import revoke_grant
from tests.factories import authorization as flow
from tests.factories import device
from tests.factories.identity import INVOICES, ORDERS
from wire import bearer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _installation():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def tv():
    return device.make_device_client()


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def browser(client, person):
    return flow.sign_in(client, person)


@pytest.fixture
def codes(browser, tv):
    return device.start(browser, tv).json()


def refusal(response, error="invalid_grant"):
    assert response.status_code == 400, response.content
    assert response["Cache-Control"] == "no-store"
    assert response.json()["error"] == error, response.json()
    return response.json()["error_description"]


def let_pass(seconds):
    """Move the last poll and the end of each request into the past."""
    for row in DeviceAuthorization.objects.all():
        row.polled_at = row.polled_at and row.polled_at - timedelta(seconds=seconds)
        row.expires_at -= timedelta(seconds=seconds)
        row.save()


@pytest.mark.compliance("RFC 8628", "3.4", "an allowed device code is worth tokens")
def test_allowed_device_gets_tokens(browser, tv, codes, person):
    device.allow(browser, codes["user_code"])

    response = device.poll(browser, tv, codes["device_code"])

    assert response.status_code == 200, response.content
    document = response.json()
    assert document["scope"] == "openid orders:read"
    claims = jwt.decode(document["id_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["acr"]) == (str(person.subject), "1")
    token = AccessToken.objects.get()
    assert (token.user, token.resources) == (person, [ORDERS])
    assert Consent.objects.get().scopes == ["openid", "orders:read"]


@pytest.mark.compliance("RFC 8628", "3.5", "a refresh token of a device works like any other")
def test_refresh_token_of_a_device_works(browser, tv, codes):
    device.allow(browser, codes["user_code"])
    tokens = device.poll(browser, tv, codes["device_code"]).json()

    assert flow.refresh(browser, tv, tokens["refresh_token"]).status_code == 200


@pytest.mark.compliance("RFC 8628", "3.5", "authorization_pending until the person has answered")
def test_pending_until_the_answer(browser, tv, codes):
    refusal(device.poll(browser, tv, codes["device_code"]), "authorization_pending")
    let_pass(6)
    device.type_code(browser, codes["user_code"])
    refusal(device.poll(browser, tv, codes["device_code"]), "authorization_pending")


@pytest.mark.compliance("RFC 8628", "3.5", "slow_down lengthens the interval by five seconds")
def test_early_poll_slows_down_for_good(browser, tv, codes):
    refusal(device.poll(browser, tv, codes["device_code"]), "authorization_pending")
    refusal(device.poll(browser, tv, codes["device_code"]), "slow_down")
    assert DeviceAuthorization.objects.get().interval_seconds == 10
    let_pass(6)
    refusal(device.poll(browser, tv, codes["device_code"]), "slow_down")
    assert DeviceAuthorization.objects.get().interval_seconds == 15
    let_pass(15)
    refusal(device.poll(browser, tv, codes["device_code"]), "authorization_pending")


def test_endless_polling_stays_within_its_column(browser, tv, codes):
    DeviceAuthorization.objects.update(interval_seconds=600, polled_at=timezone.now())

    refusal(device.poll(browser, tv, codes["device_code"]), "slow_down")

    assert DeviceAuthorization.objects.get().interval_seconds == 600


def test_answer_is_given_to_an_early_poll(browser, tv, codes):
    device.poll(browser, tv, codes["device_code"])
    device.allow(browser, codes["user_code"])

    assert device.poll(browser, tv, codes["device_code"]).status_code == 200


@pytest.mark.compliance("RFC 8628", "3.5", "access_denied when the person said no")
def test_denied_device_is_told(browser, tv, codes):
    device.type_code(browser, codes["user_code"])
    device.decide(browser, "deny")

    refusal(device.poll(browser, tv, codes["device_code"]), "access_denied")
    assert not Grant.objects.exists()
    assert not Consent.objects.exists()


@pytest.mark.compliance("RFC 8628", "3.5", "expired_token after the code's lifetime")
@pytest.mark.parametrize("is_allowed", [True, False])
def test_expired_code_is_told(browser, tv, codes, is_allowed):
    if is_allowed:
        device.allow(browser, codes["user_code"])
    let_pass(601)

    refusal(device.poll(browser, tv, codes["device_code"]), "expired_token")
    assert not AccessToken.objects.exists()


@pytest.mark.compliance("RFC 8628", "3.4", "a device code is bound to its client")
def test_code_of_another_client_is_refused_and_stays_good(browser, tv, codes):
    device.allow(browser, codes["user_code"])
    other = device.make_device_client()

    assert "another client" in refusal(device.poll(browser, other, codes["device_code"]))
    assert device.poll(browser, tv, codes["device_code"]).status_code == 200


@pytest.mark.compliance("RFC 8628", "3.4", "an unknown device code is invalid_grant")
def test_unknown_code_is_refused(browser, tv):
    unknown = bearer.mint(bearer.Prefix.DEVICE_CODE)

    assert "unknown" in refusal(device.poll(browser, tv, unknown))


@pytest.mark.compliance("RFC 8628", "3.4", "device_code is required, in the body")
def test_missing_or_misplaced_code_is_named(browser, tv, codes):
    assert "device_code" in refusal(device.poll(browser, tv, ""), "invalid_request")
    response = browser.post(
        f"/oauth/token?device_code={codes['device_code']}",
        "grant_type=x",
        content_type=flow.FORM,
        headers=tv.headers,
    )
    assert "never in the URL" in refusal(response, "invalid_request")


@pytest.mark.compliance("RFC 8628", "3.5", "a code used twice is refused and revokes its tokens")
def test_replayed_code_revokes_everything_made_from_it(browser, tv, codes):
    device.allow(browser, codes["user_code"])
    device.poll(browser, tv, codes["device_code"])

    assert "used before" in refusal(device.poll(browser, tv, codes["device_code"]))
    assert AccessToken.objects.get().revoked_at is not None


def test_unregistered_grant_type_is_refused(browser, codes):
    other = flow.make_code_client()

    refusal(device.poll(browser, other, codes["device_code"]), "unauthorized_client")


def test_revoked_grant_and_deactivated_person_get_nothing(browser, tv, codes):
    device.allow(browser, codes["user_code"])
    User.objects.update(is_active=False)
    assert "revoked" in refusal(device.poll(browser, tv, codes["device_code"]))

    User.objects.update(is_active=True)
    revoke_grant(grant=Grant.objects.get())
    assert "revoked" in refusal(device.poll(browser, tv, codes["device_code"]))


def test_disabled_client_is_not_answered_for(browser, tv, codes):
    device.type_code(browser, codes["user_code"])
    disable_client(client=tv.client)

    assert device.decide(browser).status_code == 400
    assert not Grant.objects.exists()


def test_tokens_for_one_of_the_resources(browser, tv):
    flow.make_orders(INVOICES, scopes=("invoices:read",))
    codes = device.start(browser, tv, scope="openid orders:read invoices:read").json()
    device.allow(browser, codes["user_code"])

    document = device.poll(browser, tv, codes["device_code"], resource=INVOICES).json()

    assert document["scope"] == "openid invoices:read"


def test_public_client_needs_offline_access_for_a_refresh_token(browser):
    public = device.make_public_device_client()
    answers = []
    for scope in ("openid", "openid offline_access"):
        codes = device.start(browser, public, scope=scope).json()
        device.allow(browser, codes["user_code"])
        answers.append(device.poll(browser, public, codes["device_code"]).json())

    assert ["refresh_token" in answer for answer in answers] == [False, True]
