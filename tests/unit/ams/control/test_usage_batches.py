import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection
from django.test import Client

from ams.http import control
from ams.metering.fold_queue import FoldQueue, fold_queue
from ams.metering.models import UsageBatchRecord
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.store_usage_batch import store_usage_batch
from tests.factories.usage import make_batch, make_row
from wire.usage_report import UsageReport

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
GATEWAY = "Bearer gateway-token"
MOMENT = int(AT.timestamp())
PATH = "/control/v1/usage-batches"
REPORTS = "/control/v1/usage-reports"


@pytest.fixture
def client(settings, token_service):
    settings.ROOT_URLCONF = "ams.http.urls"
    settings.MIDDLEWARE = ["django.middleware.csrf.CsrfViewMiddleware"]
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def post(client):
    def send(body, *, token=GATEWAY, **headers):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if token is not None:
            headers["Authorization"] = token
        return client.post(PATH, body, content_type="application/json", headers=headers)

    return send


def _problem(answer):
    assert answer["Content-Type"] == "application/problem+json"
    return json.loads(answer.content)


def test_a_new_batch_is_created_and_a_repeated_one_is_there_already(post):
    document = make_batch(make_row(AT))

    assert [post(document).status_code for _ in range(3)] == [201, 200, 200]
    assert UsageBatchRecord.objects.count() == 1


@pytest.mark.parametrize(
    ("token", "status", "challenge"),
    [
        (None, 401, 'Bearer realm="control"'),
        ("Basic Zm9vOmJhcg==", 401, 'Bearer realm="control"'),
        ("Bearer", 400, 'Bearer realm="control", error="invalid_request"'),
        ("Bearer two words", 400, 'Bearer realm="control", error="invalid_request"'),
        ("Bearer gateway-token,Bearer x", 400, 'Bearer realm="control", error="invalid_request"'),
        ("Bearer unknown", 401, 'Bearer realm="control", error="invalid_token"'),
        (
            "Bearer manager-token",
            403,
            'Bearer realm="control", error="insufficient_scope", scope="gateway"',
        ),
    ],
)
def test_only_a_gateway_may_deliver(post, token, status, challenge):
    answer = post(make_batch(make_row(AT)), token=token)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (status, challenge)
    assert _problem(answer)["status"] == status
    assert not UsageBatchRecord.objects.exists()


def test_the_scheme_is_read_in_any_case(post):
    assert post(make_batch(), token="bearer gateway-token").status_code == 201


def test_the_token_is_checked_for_the_control_api(post, token_service):
    post(make_batch())

    assert token_service.questions == [("gateway-token", "https://id.example/control")]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "JSON"),
        (b"\xff", "JSON"),
        (b"[" * 100_000, "JSON"),
        ([], "object"),
        ({"id": "x", "node": "n", "rows": []}, "UUID"),
        (make_batch(make_row(AT, calls=-1)), "rows[0].calls"),
        (make_batch(make_row(AT), make_row(AT, calls=2.5)), "rows[1].calls"),
        (make_batch(make_row(AT, operation_id="a\0")), "rows[0].operation_id"),
    ],
)
def test_a_malformed_batch_is_refused_with_the_member_that_is_wrong(post, body, named):
    answer = post(body)

    assert answer.status_code == 400
    assert named in _problem(answer)["detail"]
    assert not UsageBatchRecord.objects.exists()


def test_a_body_of_more_than_one_mebibyte_is_too_large(post):
    document = json.dumps(make_batch()).encode()
    fitting = document + b" " * (control.LARGEST_BODY_BYTES - len(document))

    assert post(fitting).status_code == 201
    answer = post(fitting + b" ")
    assert answer.status_code == 413
    assert "1,048,576" in _problem(answer)["detail"]


def test_other_methods_are_told_which_one_is_right(client):
    answer = client.get(PATH)

    assert (answer.status_code, answer["Allow"]) == (405, "POST")


def test_nobody_gets_in_while_tokens_cannot_be_checked(post, token_service):
    token_service.is_down = True

    answer = post(make_batch(make_row(AT)))

    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert not UsageBatchRecord.objects.exists()


def test_a_database_that_is_away_is_worth_another_try(post):
    def fail(execute, sql, params, many, context):
        raise OperationalError("The server went away.")

    with connection.execute_wrapper(fail):
        answer = post(make_batch(make_row(AT)))

    assert answer.status_code == 503


@pytest.mark.django_db(transaction=True)
def test_a_stored_batch_asks_for_a_fold_and_a_repeated_one_does_not(post, monkeypatch):
    sent = []
    monkeypatch.setattr(fold_queue, "enqueue", lambda: sent.append(1))
    document = make_batch(make_row(AT))

    post(document)
    post(document)

    assert sent == [1]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_does_not_refuse_the_batch(post, monkeypatch):
    refused = threading.Event()

    def refuse():
        refused.set()
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(control, "fold_queue", FoldQueue(refuse))

    assert post(make_batch(make_row(AT))).status_code == 201
    assert refused.wait(20)
    assert UsageBatchRecord.objects.count() == 1


def test_a_worker_tells_what_is_shipped_and_hears_what_is_reconciled(client):
    headers = {"Authorization": GATEWAY}
    document = UsageReport("n-0", 1_700_000_099, 1, 2, 3).as_document()

    def send(body, **options):
        given = {"headers": headers} | options
        return client.post(REPORTS, json.dumps(body), content_type="application/json", **given)

    assert send(document).json() == {"reconciled_minute": 1_699_999_980}
    assert send(document | {"is_leaving": True}).json() == {"reconciled_minute": None}
    refused = send(document | {"shipped_until": "now"})
    assert (refused.status_code, "shipped_until" in _problem(refused)["detail"]) == (400, True)
    assert send(document, headers={}).status_code == 401
    assert client.get(REPORTS, headers=headers)["Allow"] == "POST"


def quota_usage(client, subscription="s1", since=MOMENT, token=GATEWAY):
    query = {"subscription": subscription, "since": since}
    return client.get("/control/v1/quota-usage", query, headers={"Authorization": token})


def test_metered_calls_are_told_as_a_quota_counts_them(client):
    rows = [
        make_row(AT, calls=5),
        make_row(AT, calls=2, status=500),
        make_row(AT, calls=70, status=429, cause="client"),
        make_row(AT, calls=3, status=429, cause="upstream"),
        make_row(AT - timedelta(hours=1), calls=900),
        make_row(AT, calls=1000, subscription_id="s2"),
    ]
    store_usage_batch(document=make_batch(*rows), is_import=True)
    fold_usage_batches()

    assert quota_usage(client).json() == {"calls": 10}
    assert quota_usage(client, "none").json() == {"calls": 0}


@pytest.mark.parametrize(
    ("subscription", "since", "named"),
    [("", 1, "subscription"), ("a b", 1, "subscription"), ("s1", "", "since")],
)
def test_an_unusable_question_is_told_what_is_wrong(client, subscription, since, named):
    answer = quota_usage(client, subscription, since)

    assert answer.status_code == 400
    assert _problem(answer)["detail"].startswith(named)


def test_metered_calls_are_told_to_gateways_alone(client):
    assert quota_usage(client, token="Bearer other").status_code == 401
    assert client.head("/control/v1/quota-usage").status_code == 405
