"""`manage.py gateway explain`."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from ams.http.snapshot_state import build_snapshot
from tests.factories.catalog import make_plan
from tests.factories.usage import make_subscription

pytestmark = pytest.mark.django_db


def run(*arguments):
    output, code = io.StringIO(), 0
    try:
        call_command("gateway", "explain", *arguments, stdout=output)
    except SystemExit as end:
        code = end.code
    return code, output.getvalue()


@pytest.fixture
def subscription():
    return make_subscription(plan=make_plan())


def test_a_call_is_explained_under_what_is_in_the_database(subscription):
    code, output = run("GET", "/orders/v1/orders/42", "--client", subscription.client_id)

    assert code == 0
    assert "operation: get_order: GET /orders/{order_id}" in output
    assert f"subscription: {subscription.pk}" in output
    assert "request: GET /orders/42" in output
    assert "The call is admitted" in output


def test_a_refusal_has_exit_code_one_and_says_why(subscription):
    code, output = run("GET", "/orders/v1/orders/42", "--client", "stranger")

    assert code == 1
    assert "authorise          REFUSES" in output
    assert "answered here with 403" in output


def test_programs_get_json_and_may_bring_the_file_of_a_gateway(subscription, tmp_path):
    file = tmp_path / "snapshot.json"
    file.write_bytes(build_snapshot().document(None))
    subscription.delete()

    code, output = run(
        "GET", "/orders/v1/orders", "--client", subscription.client_id, "--json",
        "--user", "person-1", "--scope", "orders:read", "-H", "Accept: */*",
        "--snapshot", str(file),
    )  # fmt: skip

    told = json.loads(output)
    assert (code, told["admitted"], told["status"]) == (0, True, None)
    stages = {row["stage"]: row["details"] for row in told["stages"]}
    assert stages["exchange_token"]["user"] == "person-1"
    assert "accept" in stages["forward"]["headers kept"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("GET", "gopher://x"),
        ("GET", "/x", "--user", "somebody"),
        ("GET", "/x", "--snapshot", "/nowhere/snapshot.json"),
    ],
)
def test_a_question_that_is_none_is_told_so(arguments):
    with pytest.raises(CommandError) as told:
        run(*arguments)

    assert told.value.returncode == 2
