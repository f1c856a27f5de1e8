"""The questions of a proxy: what is understood, and which answers mean yes."""

import base64
import hashlib
import json

import pytest

from gateway.dataplane.forward_auth import serve_question
from gateway.dataplane.trusted_hops import TrustedHops, read_networks
from tests.unit.gateway.harness import FakeInbound, Harness, make_jwt
from wire.bearer import Prefix, mint
from wire.gateway_snapshot import RateLimit

PATH = b"/-/forward-auth"
CALL = b"/orders/v1/orders/42"


@pytest.fixture
def token(gateway):
    gateway.configure()
    token = mint(Prefix.ACCESS_TOKEN).encode()
    gateway.authority.live[token] = make_jwt()
    return token


async def ask(gateway, *fields, path=PATH, query=b"", method="GET", host=b"gateway.test"):
    inbound = FakeInbound(
        method=method,
        raw_path=path,
        query=query,
        headers=[(b"host", host), *fields],
        announces_body=True,
        chunks=[],
        scheme="http",
        plane=gateway.plane,
        peer="127.0.0.1",
    )
    await serve_question(gateway.plane, inbound)
    return inbound.sent


def bearer(token):
    return (b"authorization", b"Bearer " + token)


def about(method=b"GET", target=CALL):
    return [(b"x-forwarded-method", method), (b"x-forwarded-uri", target)]


def original(method=b"GET", target=CALL):
    return [(b"x-original-method", method), (b"x-original-uri", target)]


@pytest.mark.parametrize("description", [about(), original(), [*about(), *original()]])
async def test_a_good_call_gets_the_jwt_to_go_on_with(gateway, token, description):
    answer = await ask(gateway, bearer(token), *description)

    assert answer.status == 200
    assert answer.value("authorization") == "Bearer " + make_jwt().decode()
    assert answer.value("x-request-id")
    assert answer.body == b""


async def test_a_prefix_carries_the_call_in_its_own_shape(gateway, token):
    answer = await ask(gateway, bearer(token), path=PATH + CALL)

    assert answer.status == 200
    assert answer.value("authorization").startswith("Bearer eyJ")


async def test_the_call_is_metered_as_served(gateway, token):
    await ask(gateway, bearer(token), *about())

    assert gateway.journal.statuses == [200]
    assert gateway.journal.causes == ["upstream"]


async def test_a_refused_call_is_metered_as_such(gateway):
    gateway.configure(subscriptions=())
    token = mint(Prefix.ACCESS_TOKEN).encode()
    gateway.authority.live[token] = make_jwt()

    answer = await ask(gateway, bearer(token), *about())

    assert answer.status == 403
    assert answer.problem["type"] == "/problems/not-subscribed"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (about(), 401),
        (about(target=b"/nothing/here"), 404),
        (about(method=b"PATCH"), 405),
        (about(target=b"/orders/v1/../admin"), 400),
        (about(target=b"/orders/v1/orders%2f42"), 400),
        (about(method=b"G ET"), 400),
        (about(target=b""), 400),
    ],
)
async def test_refusals_are_those_of_the_gateway(gateway, token, fields, status):
    answer = await ask(gateway, *fields)

    assert answer.status == status
    assert answer.problem["status"] == status


@pytest.mark.parametrize(
    "fields",
    [
        [],
        about()[:1],
        about()[1:],
        [*about(), *original(target=b"/orders/v1/orders/7")],
        [*about(), *original(method=b"POST")],
        [*about(), (b"x-forwarded-uri", b"/orders/v1/orders/7")],
    ],
)
async def test_a_question_names_exactly_one_call(gateway, token, fields):
    answer = await ask(gateway, bearer(token), *fields)

    assert answer.status == 400
    assert answer.problem["type"] == "/problems/bad-request"
    assert gateway.journal.rows == []


async def test_headers_of_a_client_do_not_speak_for_a_call_that_the_prefix_names(gateway, token):
    answer = await ask(
        gateway, bearer(token), *about(target=b"/orders/v1/orders/42"), path=PATH + b"/elsewhere"
    )

    assert answer.status == 404


async def test_other_paths_are_not_answered(gateway, token):
    assert (await ask(gateway, bearer(token), path=CALL)).status == 404
    assert (await ask(gateway, bearer(token), path=b"/-/forward-authority")).status == 404


@pytest.mark.parametrize("method", [b"OPTIONS", b"GET"])
async def test_what_we_answer_ourselves_is_no_leave_to_forward(gateway, token, method):
    target = CALL if method == b"OPTIONS" else b"/.well-known/oauth-protected-resource/orders/v1"

    exact = await ask(gateway, *about(method, target))
    by_prefix = await ask(gateway, path=PATH + target, method=method.decode())

    assert exact.status == 403
    assert exact.value("x-tollgate-status") in {"200", "204"}
    assert by_prefix.status != 200


async def test_a_proxy_that_knows_two_statuses_is_told_the_third_beside(gateway):
    answer = await ask(gateway, *about(target=b"/nothing"), query=b"only=401,403")

    assert answer.status == 403
    assert answer.value("x-tollgate-status") == "404"
    assert json.loads(answer.body)["status"] == 404


@pytest.mark.parametrize("query", [b"only=401", b"only=x", b"only=", b"other=1"])
async def test_a_wrong_list_of_statuses_is_refused(gateway, token, query):
    answer = await ask(gateway, bearer(token), *about(), query=query)

    assert answer.status == 400
    assert "only" in answer.problem["detail"]


async def test_limits_are_the_plan_s(gateway):
    gateway.configure(rate_limits=[RateLimit(1, 60, 1)])
    token = mint(Prefix.ACCESS_TOKEN).encode()
    gateway.authority.live[token] = make_jwt()

    first = await ask(gateway, bearer(token), *about())
    second = await ask(gateway, bearer(token), *about())

    assert (first.status, second.status) == (200, 429)
    assert second.value("retry-after")


async def test_the_host_is_the_one_that_the_client_asked_for(gateway, token):
    stranger = await ask(
        gateway, bearer(token), *about(), (b"x-forwarded-host", b"evil.test"), host=b"gateway.test"
    )
    ours = await ask(
        gateway, bearer(token), *about(), (b"x-forwarded-host", b"gateway.test"), host=b"10.0.0.1"
    )

    assert (stranger.status, ours.status) == (421, 200)


async def test_a_body_that_is_too_large_is_refused_by_its_announced_length(gateway, token):
    gateway.configure(max_body_bytes=10)

    answer = await ask(
        gateway,
        bearer(token),
        *about(method=b"POST", target=b"/orders/v1/orders"),
        (b"x-original-content-length", b"11"),
    )

    assert answer.status == 413


async def test_a_certificate_in_a_question_is_worth_nothing(upstream):
    gateway = Harness(upstream.url, hops=TrustedHops(read_networks("10.0.0.0/8")))
    gateway.configure()
    digest = hashlib.sha256(b"certificate").digest()
    bound = gateway.authority.issue(
        cnf={"x5t#S256": base64.urlsafe_b64encode(digest).rstrip(b"=").decode()}
    )
    shown = (b"client-cert", b":" + base64.b64encode(b"certificate") + b":")

    # A proxy that hands on what its client says of itself.
    claimed = await ask(gateway, bearer(bound), *about(), shown, (b"x-forwarded-for", b"10.1.2.3"))

    assert claimed.status == 401


@pytest.mark.parametrize(
    ("offer", "status"),
    [
        ({"allow_websocket": False}, 403),
        ({"allow_websocket": True}, 200),
        ({"allow_websocket": True, "websocket_origins": ("https://app.test",)}, 403),
    ],
)
async def test_a_websocket_is_let_on_where_the_api_offers_it(gateway, token, offer, status):
    gateway.configure(**offer)

    fields = [(b"upgrade", b"websocket"), (b"origin", b"https://evil.test")]
    answer = await ask(gateway, bearer(token), *about(), *fields)

    assert answer.status == status


async def test_the_client_is_who_called_the_proxy(gateway, token):
    seen = []
    gateway.plane.access_log = type("Log", (), {"write": lambda _, call, *__: seen.append(call)})()

    await ask(gateway, bearer(token), *about(), (b"x-forwarded-for", b"6.6.6.6, 203.0.113.7"))

    assert seen[0].client_address == "203.0.113.7"
