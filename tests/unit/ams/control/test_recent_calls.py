import json
import uuid
from dataclasses import replace

import pytest
import redis
from django.test import Client

from ams import api as ams_api
from ams.data import SubscriberRef
from ams.errors import NotFound, RecentCallsUnavailable
from ams.metering import recent_call_store
from ams.metering.recent_call_store import KEPT_SECONDS, MOST_OF_ONE, add_calls, read_calls
from tests.factories.usage import make_subscription
from wire.recent_calls import RecentCall, as_document

pytestmark = pytest.mark.django_db

PATH = "/control/v1/recent-calls"


@pytest.fixture
def client(settings, token_service):
    settings.ROOT_URLCONF = "ams.http.urls"
    settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
    return Client(enforce_csrf_checks=True)


def post(client, body, token="gateway-token"):  # noqa: S107 - no password
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post(PATH, body, content_type="application/json", headers=headers)


def make_call(subscription_id=None, **changes):
    call = RecentCall(
        str(subscription_id or uuid.uuid4()), 1000.0, "orders", "get", "GET", 200, 3, "r1"
    )
    return replace(call, **changes)


def test_sample_is_kept_for_the_subscriber_newest_first(client):
    subscription = make_subscription(subject="ada")
    calls = [
        make_call(subscription.pk, at=1000.0),
        make_call(subscription.pk, at=1002.0, status=429, problem="/problems/rate-limited"),
        make_call(at=1001.0),
    ]

    assert post(client, as_document(calls)).status_code == 204

    found = ams_api.list_recent_calls(
        subscriber=SubscriberRef(subject="ada", email=""), subscription_id=subscription.pk
    )
    assert [(call.status, call.problem) for call in found] == [(429, "rate-limited"), (200, "")]


def test_anothers_calls_are_not_found():
    subscription = make_subscription(subject="ada")
    add_calls([make_call(subscription.pk)])

    with pytest.raises(NotFound):
        ams_api.list_recent_calls(
            subscriber=SubscriberRef(subject="bob", email=""), subscription_id=subscription.pk
        )


def test_sample_is_bounded_and_forgotten(client):
    subscription_id = str(uuid.uuid4())
    for start in (0, 150):
        post(
            client,
            as_document(make_call(subscription_id, at=start + n) for n in range(150)),
        )

    assert [call.at for call in read_calls(subscription_id)] == [
        float(at) for at in range(299, 299 - MOST_OF_ONE, -1)
    ]
    lifetime = recent_call_store._client().ttl(recent_call_store._key(subscription_id))
    assert KEPT_SECONDS - 60 < lifetime <= KEPT_SECONDS


@pytest.mark.parametrize(
    ("body", "token", "status"),
    [
        (as_document([]), None, 401),
        (as_document([]), "unknown", 401),
        (as_document([]), "manager-token", 403),
        (b"{", "gateway-token", 400),
        ({"calls": [{}]}, "gateway-token", 400),
        (b" " * 1_048_577, "gateway-token", 413),
    ],
)
def test_who_or_what_is_not_right_is_refused(client, body, token, status):
    answer = post(client, body, token)

    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"


def test_other_methods_are_refused(client):
    answer = client.get(PATH)

    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_valkey_that_is_away_is_a_503(client, monkeypatch):
    nowhere = redis.Redis(host="127.0.0.1", port=1)
    monkeypatch.setattr(recent_call_store, "_client", lambda: nowhere)

    answer = post(client, as_document([make_call()]))

    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    with pytest.raises(RecentCallsUnavailable):
        read_calls("x")
