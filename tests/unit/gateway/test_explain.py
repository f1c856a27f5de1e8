"""What would become of a call, stage by stage."""

from dataclasses import replace

import pytest

from gateway.dataplane.pipeline import CHECKS
from gateway.explain import Question, explain
from tests.unit.gateway.snapshots import make_snapshot
from wire.gateway_snapshot import Quota, RateLimit

HOSTS = frozenset({"gateway.test"})


def ask(snapshot=None, **members):
    question = {
        "method": "GET",
        "url": "https://gateway.test/api-0/things/7?x=1",
        "client_id": "client-0",
        "hosts": HOSTS,
        "issuer": "https://issuer.test",
    }
    document = (snapshot or make_snapshot(7)).encode()
    return explain(document, Question(**(question | members)))


def details(found, stage):
    return next(row.details for row in found.outcomes if row.stage == stage)


def test_a_call_that_is_admitted_is_told_to_its_upstream():
    found = ask(headers=(("Accept", "*/*"), ("Connection", "close"), ("X-Tollgate-User", "root")))

    assert found.is_admitted
    assert found.version == 7
    stages = [row.stage for row in found.outcomes]
    assert stages == [*(stage.__name__ for stage in CHECKS), "forward"]
    assert details(found, "find_route")["operation"] == "get: GET /things/{id}"
    assert details(found, "authorise") == {"subscription": "sub-0", "plan": "Plan 0"}
    forward = details(found, "forward")
    assert forward["request"] == "GET /things/7?x=1"
    assert forward["upstream"] == "http://127.0.0.1:9000"
    assert "authorization: Bearer <the JWT" in forward["headers added"]
    assert "connection" in forward["headers dropped or replaced"]
    assert forward["headers kept"].startswith("accept")


def test_the_limits_of_the_plan_are_told_and_nothing_is_taken():
    snapshot = make_snapshot(7)
    limited = replace(
        snapshot.plans[0], rate_limits=(RateLimit(10, 60, 5),), quotas=(Quota(1000, "month"),)
    )
    snapshot = replace(snapshot, plans=(limited, *snapshot.plans[1:]))

    told = details(ask(snapshot), "take_allowance")["limits"]

    assert '"rate";q=10;w=60' in told
    assert '"quota";q=1000' in told


@pytest.mark.parametrize(
    ("members", "stage", "status", "why"),
    [
        ({"url": "/api-0/../things"}, "check_target", 400, "dot segment"),
        ({"url": "https://elsewhere.test/api-0/things/7"}, "check_target", 421, "Host"),
        ({"url": "/api-9/things/7"}, "find_route", 404, "No operation"),
        ({"method": "DELETE"}, "find_route", 405, "not an operation"),
        ({"client_id": ""}, "read_bearer", 401, ""),
        ({"scopes": ("write",)}, "authorise", 403, "scope read"),
        ({"client_id": "client-1"}, "authorise", 403, "Subscribe"),
        (
            {"method": "POST", "headers": (("Content-Length", "99999999999"),)},
            "find_route",
            405,
            "",
        ),
    ],
)
def test_a_refusal_names_its_stage_status_and_reason(members, stage, status, why):
    found = ask(**members)

    last = found.outcomes[-1]
    assert (last.stage, last.passed, found.status) == (stage, False, status)
    assert last.details["status"] == str(status)
    assert why in last.details.get("why", "")
    assert all(row.passed for row in found.outcomes[:-1])


@pytest.mark.parametrize("url", ["ftp://gateway.test/x", "https:///x"])
def test_what_is_no_address_is_no_question(url):
    with pytest.raises(ValueError, match="expected"):
        ask(url=url)
