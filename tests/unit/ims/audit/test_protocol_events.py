"""What clients do at the token service's endpoints."""

import json

import pytest
from django.test import Client as Browser

from ims import throttle
from ims.audit.events import Event
from ims.models import AuditEvent, ClientSecret
from ims.services.bootstrap_installation import bootstrap_installation
from ims.services.delete_protected_resource import delete_protected_resource
from ims.services.ensure_signing_key import ensure_signing_key
from ims.services.provision_initial_access_token import provision_initial_access_token
from ims.services.replace_compromised_keys import replace_compromised_keys
from ims.throttle import Purpose
from tests.factories import authorization as flow
from tests.factories.identity import (
    ORDERS,
    basic,
    make_access_token,
    make_client,
    make_grant,
    make_public_client,
    make_refresh_token,
    make_resource,
)
from wire import bearer

pytestmark = pytest.mark.django_db
LIMIT = Purpose.CLIENT_AUTHENTICATION.value


@pytest.fixture(autouse=True)
def _ready():
    ensure_signing_key()
    flow.make_orders()


@pytest.fixture
def person():
    return flow.make_person()


@pytest.fixture
def browser(client, person):
    return flow.sign_in(client, person)


@pytest.fixture
def app():
    return flow.make_code_client()


@pytest.fixture
def machine():
    return make_client()


def only(event):
    return AuditEvent.objects.get(event=event)


def ask_for_token(browser, known, **more):
    return flow.post_token(
        browser, known, grant_type="client_credentials", scope="orders:read", **more
    )


# --- tokens --------------------------------------------------------------------


def test_token_of_a_client_is_recorded_with_its_grant_type(client, machine):
    token = ask_for_token(client, machine).json()["access_token"]

    event = only(Event.TOKEN_ISSUED)
    assert (event.client_id, event.outcome) == (machine.client.client_id, "success")
    assert event.detail == {
        "grant_type": "client_credentials",
        "token": bearer.digest(token)[:8].hex(),
        "scopes": ["orders:read"],
        "resources": [ORDERS],
    }


def test_tokens_of_a_person_are_recorded_by_grant_type(browser, person, app):
    code = flow.obtain_code(browser, app.client)
    tokens = flow.exchange(browser, app, code).json()
    flow.refresh(browser, app, tokens["refresh_token"])

    first, second = AuditEvent.objects.filter(event=Event.TOKEN_ISSUED).order_by("id")
    assert first.detail["grant_type"] == "authorization_code"
    assert second.detail["grant_type"] == "refresh_token"
    assert {first.subject, second.subject} == {str(person.subject)}


def test_no_line_holds_a_token_a_code_or_a_secret(browser, app):
    code = flow.obtain_code(browser, app.client)
    tokens = flow.exchange(browser, app, code).json()
    flow.exchange(browser, app, code)
    flow.post_token(browser, app, grant_type="refresh_token", refresh_token=tokens["refresh_token"])

    log = json.dumps(list(AuditEvent.objects.values()), default=str)
    for secret in (code, app.secret, tokens["access_token"], tokens["refresh_token"]):
        assert secret not in log
        assert secret[5:25] not in log


def test_second_use_of_a_code_is_recorded(browser, person, app):
    code = flow.obtain_code(browser, app.client)
    flow.exchange(browser, app, code)
    assert flow.exchange(browser, app, code).status_code == 400

    event = only(Event.CODE_REPLAYED)
    assert (event.outcome, event.subject) == ("failure", str(person.subject))
    assert event.client_id == app.client.client_id
    assert only(Event.GRANT_REVOKED).detail["access_tokens"] == 1
    assert only(Event.TOKEN_REFUSED).reason == "invalid_grant"


def test_second_use_of_a_refresh_token_is_recorded(client, person, app):
    grant = make_grant(app.client, person, scopes=["orders:read"], resources=[ORDERS])
    token, record = make_refresh_token(grant)
    type(record).objects.update(used_at=grant.created_at)

    assert flow.refresh(client, app, token).status_code == 400

    event = only(Event.REFRESH_REPLAYED)
    assert event.detail["grant"] == str(grant.pk)
    assert event.detail["token"] == bearer.digest(token)[:8].hex()
    assert only(Event.GRANT_REVOKED).subject == str(person.subject)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revocation_is_recorded(client, person, app, kind):
    grant = make_grant(app.client, person)
    if kind == "access_token":
        token, _ = make_access_token(app.client, grant=grant, user=person)
    else:
        token, _ = make_refresh_token(grant)

    client.post("/oauth/revoke", {"token": token, **app.form})
    client.post("/oauth/revoke", f"token={token}", content_type=flow.FORM, headers=app.headers)

    event = AuditEvent.objects.filter(event=Event.TOKEN_REVOKED).first()
    assert (event.client_id, event.subject) == (app.client.client_id, str(person.subject))
    assert event.detail == {"kind": kind, "token": bearer.digest(token)[:8].hex()}


def test_revocation_of_another_clients_token_is_recorded_as_refused(client, machine, app, person):
    token, _ = make_access_token(app.client)

    client.post("/oauth/revoke", f"token={token}", content_type=flow.FORM, headers=machine.headers)

    event = only(Event.TOKEN_REVOKED)
    assert (event.outcome, event.reason) == ("failure", "invalid_grant")
    assert event.client_id == machine.client.client_id


def test_refused_token_is_recorded_with_the_error_code(client, machine):
    flow.post_token(client, machine, grant_type="client_credentials", scope="nonsense")

    event = only(Event.TOKEN_REFUSED)
    assert (event.client_id, event.reason) == (machine.client.client_id, "invalid_scope")
    assert event.detail == {"grant_type": "client_credentials"}


def test_strangers_request_that_makes_no_sense_is_not_worth_a_line(client):
    client.post("/oauth/token", {"x": "y"})
    client.post("/oauth/token?client_secret=x")
    client.post("/oauth/introspect", "token=x", content_type=flow.FORM)
    client.get("/oauth/authorize")

    assert not AuditEvent.objects.filter(outcome="failure").exists()


# --- client authentication -----------------------------------------------------


def introspect(browser, headers, **origin):
    return browser.post(
        "/oauth/introspect", "token=x", content_type=flow.FORM, headers=headers, **origin
    )


def test_failed_client_authentication_is_recorded_with_what_was_claimed(client, machine):
    client_id = machine.client.client_id
    introspect(client, {"Authorization": basic(client_id, "wrong")}, REMOTE_ADDR="192.0.2.7")

    event = only(Event.CLIENT_AUTHENTICATION_FAILED)
    assert (event.client_id, event.outcome, event.reason) == (
        client_id,
        "failure",
        "invalid_client",
    )
    assert event.address == "192.0.2.7"
    assert "wrong" not in json.dumps(event.detail)


def guess(browser, client_id, times, **origin):
    for _ in range(times):
        answer = introspect(browser, {"Authorization": basic(client_id, "wrong")}, **origin)
    return answer


def test_guessing_a_clients_secret_is_slowed_down(client, machine):
    answer = guess(client, machine.client.client_id, LIMIT.of_subject + 2)

    assert answer.status_code == 429
    assert answer.json()["error"] == "temporarily_unavailable"
    assert 0 < int(answer["Retry-After"]) <= LIMIT.seconds + 1
    failures = AuditEvent.objects.filter(event=Event.CLIENT_AUTHENTICATION_FAILED)
    assert failures.count() == LIMIT.of_subject - 1
    assert only(Event.THROTTLED).client_id == machine.client.client_id


def test_unknown_client_is_slowed_down_like_a_known_one(client):
    known = [guess(client, make_client().client.client_id, 1).status_code for _ in range(2)]
    unknown = [guess(client, "nobody", 1).status_code for _ in range(2)]
    assert known == unknown == [401, 401]

    assert guess(client, "nobody", LIMIT.of_subject).status_code == 429


def test_owner_comes_in_from_the_blocked_network_too(client, machine):
    guess(client, machine.client.client_id, LIMIT.of_subject + 2)

    assert ask_for_token(client, machine).status_code == 200


def test_chosen_secret_waits_in_the_blocked_network_and_works_elsewhere(client, machine):
    ClientSecret.objects.filter(client=machine.client).update(digest=bearer.digest("chosen"))
    headers = {"Authorization": basic(machine.client.client_id, "chosen")}
    guess(client, machine.client.client_id, LIMIT.of_subject + 2)

    assert introspect(client, headers).status_code == 429
    assert introspect(client, headers, REMOTE_ADDR="198.51.100.3").status_code == 200


def test_right_secret_asks_valkey_nothing(client, machine, monkeypatch):
    def refuse(*_):
        raise AssertionError("a round trip")

    monkeypatch.setattr(throttle, "_connect", refuse)

    assert ask_for_token(client, machine).status_code == 200


def test_guesses_of_device_codes_are_slowed_down(client):
    device = make_public_client(grant_types=["urn:ietf:params:oauth:grant-type:device_code"])
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": bearer.mint(bearer.Prefix.DEVICE_CODE),
    }

    answers = [
        flow.post_token(client, device, **form).status_code
        for _ in range(Purpose.DEVICE_CODE.value.of_subject)
    ]

    assert answers[0] == 400
    assert answers[-1] == 429


# --- registration --------------------------------------------------------------


def register(browser, token):
    return browser.post(
        "/oauth/register",
        {"client_name": "An app", "grant_types": ["client_credentials"]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )


def test_life_of_a_registered_client_is_recorded(client):
    permission = provision_initial_access_token(label="test", grant_types=["client_credentials"])
    assert only(Event.INITIAL_ACCESS_TOKEN_MADE).detail == {"label": "test"}
    made = register(client, permission.token).json()
    headers = {"Authorization": f"Bearer {made['registration_access_token']}"}
    address = f"/oauth/register/{made['client_id']}"
    update = {
        "client_id": made["client_id"],
        "client_name": "Another name",
        "grant_types": ["client_credentials"],
    }

    client.put(address, update, content_type="application/json", headers=headers)
    client.post(f"{address}/secret", headers=headers)
    client.delete(address, headers=headers)

    recorded = AuditEvent.objects.filter(client_id=made["client_id"]).order_by("id")
    happened = list(dict.fromkeys(recorded.values_list("event", flat=True)))
    assert happened == [
        "client.registered",
        "client.secret_rotated",
        "client.updated",
        "client.tokens_revoked",
        "client.deleted",
    ]


def test_wrong_initial_access_token_is_recorded_and_slowed_down(client):
    token = bearer.mint(bearer.Prefix.INITIAL_ACCESS_TOKEN)
    answers = [
        register(client, token).status_code for _ in range(Purpose.REGISTRATION.value.of_subject)
    ]

    assert (answers[0], answers[-1]) == (401, 429)
    assert AuditEvent.objects.filter(event=Event.REGISTRATION_REFUSED).count() == len(answers) - 1


def test_wrong_registration_access_token_is_recorded(client, machine):
    token = bearer.mint(bearer.Prefix.REGISTRATION_ACCESS_TOKEN)
    client.get(
        f"/oauth/register/{machine.client.client_id}", headers={"Authorization": f"Bearer {token}"}
    )

    event = only(Event.REGISTRATION_REFUSED)
    assert (event.client_id, event.reason) == (machine.client.client_id, "invalid_token")


# --- what people allow ---------------------------------------------------------


def test_consent_and_authorization_are_recorded(browser, person, app):
    flow.obtain_code(browser, app.client)

    given, granted = only(Event.CONSENT_GIVEN), only(Event.AUTHORIZATION_GRANTED)
    assert given.subject == granted.subject == str(person.subject)
    assert given.client_id == granted.client_id == app.client.client_id
    assert granted.detail["scopes"] == ["openid", "orders:read"]


def test_denial_is_recorded(browser, person, app):
    flow.decide(browser, flow.authorize(browser, app.client), "deny")

    event = only(Event.AUTHORIZATION_REFUSED)
    assert (event.reason, event.outcome) == ("access_denied", "failure")
    assert (event.client_id, event.subject) == (app.client.client_id, str(person.subject))


def test_refusal_without_a_person_is_not_worth_a_line(app):
    flow.authorize(Browser(), app.client, prompt="none")

    assert not AuditEvent.objects.filter(outcome="failure").exists()


# --- the installation ----------------------------------------------------------


def test_keys_are_recorded():
    replace_compromised_keys(algorithms=["ES256"])

    assert AuditEvent.objects.filter(event=Event.KEY_CREATED).count() == 2
    assert only(Event.KEY_RETIRED).detail["is_compromised"] is True
    assert only(Event.KEY_ROTATED).detail == {"compromised": ["ES256"]}


def test_protected_resources_are_recorded():
    delete_protected_resource(resource=ORDERS)
    delete_protected_resource(resource=ORDERS)

    assert only(Event.RESOURCE_DELETED).detail == {"resource": ORDERS}


def test_idempotent_bootstrap_fills_no_log():
    issuer = "https://id.example"
    bootstrap_installation(issuer=issuer, gateway_secret=None, ams_secret=None)
    first = AuditEvent.objects.count()

    bootstrap_installation(issuer=issuer, gateway_secret=None, ams_secret=None)

    assert AuditEvent.objects.count() == first
    registered = AuditEvent.objects.filter(event=Event.RESOURCE_REGISTERED)
    assert registered.count() == 3
    assert registered.first().actor == "system"


def test_caller_that_is_refused_at_introspection_is_recorded(client):
    reader = make_client()
    make_resource("https://gateway.example/a", readers=[reader.client])
    introspect(client, reader.headers | {"Authorization": basic(reader.client.client_id, "no")})
    client.post("/oauth/introspect", "", content_type=flow.FORM, headers=reader.headers)

    assert only(Event.CLIENT_AUTHENTICATION_FAILED).client_id == reader.client.client_id
    assert only(Event.INTROSPECTION_REFUSED).reason == "invalid_request"
