"""The whole pipeline: ASGI in, a real socket to the upstream out.

Above 500 lines because it goes through the stages in their order, one table of cases for all.
"""

import asyncio

import pytest

from gateway.dataplane.guarded_authority import AuthorityFailed, AuthorityRefusedUs
from tests.unit.gateway.harness import RESOURCE, Harness, make_jwt
from wire.bearer import Prefix, mint
from wire.gateway_snapshot import Operation, Quota, RateLimit, Subscription


@pytest.fixture
def token(gateway):
    return gateway.authority.issue()


async def test_the_upstream_gets_the_jwt_and_never_the_opaque_token(gateway, upstream, token):
    answer = await gateway.call(token=token)

    assert answer.status == 200
    assert answer.body == b"{}"
    assert upstream.last.request_line == "GET /orders/42 HTTP/1.1"
    assert upstream.last.values("authorization") == [
        "Bearer " + gateway.authority.live[token].decode()
    ]
    assert token not in upstream.last.head


async def test_the_client_never_gets_the_jwt(gateway, token):
    answer = await gateway.call(token=token)

    everything = answer.body + b"".join(k + v for k, v in answer.headers)
    assert gateway.authority.live[token] not in everything


async def test_a_warm_token_asks_nobody(gateway, token):
    for _ in range(5):
        await gateway.call(token=token)

    assert gateway.authority.asked == [(token, RESOURCE)]


async def test_a_warm_small_answer_leaves_in_one_piece(gateway, token):
    await gateway.call(token=token)
    pieces = []

    async def note(message):
        pieces.append(message["body"])

    await gateway.call(token=token, on_send=note)

    assert pieces == [b"{}"]


# --- refusals -------------------------------------------------------------------------------------


async def test_without_configuration_it_is_503(gateway, token):
    gateway.plane.configuration = None

    answer = await gateway.call(token=token)

    assert answer.status == 503
    assert answer.value("retry-after") == "1"


@pytest.mark.parametrize(
    "path", ["/", "/orders", "/orders/v1", "/orders/v1/none/42", "/orders/v2/x"]
)
async def test_an_unknown_path_is_404(gateway, token, path):
    answer = await gateway.call(path, token=token)

    assert answer.status == 404
    assert answer.problem["type"] == "/problems/not-found"


async def test_a_wrong_method_is_405_with_allow(gateway, token):
    answer = await gateway.call(method="DELETE", token=token)

    assert answer.status == 405
    assert answer.value("allow") == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
async def test_methods_that_are_never_forwarded_are_501(gateway, upstream, token, method):
    answer = await gateway.call(method=method, token=token)

    assert answer.status == 501
    assert not upstream.requests


async def test_no_credentials_is_401_without_an_error_code(gateway):
    answer = await gateway.call()

    assert answer.status == 401
    challenge = answer.value("www-authenticate")
    assert challenge.startswith('Bearer realm="tollgate", scope="orders:read"')
    assert "error=" not in challenge


async def test_another_scheme_counts_as_no_credentials(gateway):
    answer = await gateway.call(headers=[(b"authorization", b"Basic Bearer tok-1")])

    assert answer.status == 401
    assert "error=" not in answer.value("www-authenticate")


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer ",
        b"Bearer a b",
        b"Bearer a,b",
        b"Bearer a&token_type_hint=x",
        b"DPoP ",
        b"DPoP a b",
        b"DPoP a=b",
    ],
)
async def test_a_malformed_bearer_is_400(gateway, value):
    answer = await gateway.call(headers=[(b"authorization", value)])

    assert answer.status == 400
    assert 'error="invalid_request"' in answer.value("www-authenticate")
    assert not gateway.authority.asked


async def test_several_authorization_headers_are_400(gateway, token):
    answer = await gateway.call(token=token, headers=[(b"authorization", b"Bearer " + token)])

    assert answer.status == 400
    assert 'error="invalid_request"' in answer.value("www-authenticate")


@pytest.mark.parametrize("name", ["access_token", "access%5Ftoken", "x=1&access_token"])
async def test_a_token_in_the_query_is_400(gateway, token, name):
    answer = await gateway.call(f"/orders/v1/orders/42?{name}=abc", token=token)

    assert answer.status == 400
    assert answer.problem["type"] == "/problems/invalid-token-request"


@pytest.mark.parametrize("scheme", [b"bearer", b"BEARER", b"Bearer  "])
async def test_the_case_of_the_scheme_is_free(gateway, token, scheme):
    answer = await gateway.call(headers=[(b"authorization", scheme + b" " + token)])

    assert answer.status == 200


async def test_junk_is_401_without_asking_anyone(gateway):
    token = mint(Prefix.ACCESS_TOKEN).encode()
    mistyped = token[:-1] + (b"a" if token[-1:] != b"a" else b"b")

    for junk in (b"junk", mistyped, mint(Prefix.REFRESH_TOKEN).encode()):
        answer = await gateway.call(token=junk)
        assert answer.status == 401
        assert 'error="invalid_token"' in answer.value("www-authenticate")

    assert not gateway.authority.asked


async def test_any_format_may_be_allowed(gateway):
    gateway.plane.any_token_format = True
    gateway.authority.live[b"other-vendor"] = make_jwt()

    assert (await gateway.call(token=b"other-vendor")).status == 200


async def test_an_inactive_token_is_401_and_asked_once(gateway):
    token = mint(Prefix.ACCESS_TOKEN).encode()

    for _ in range(3):
        answer = await gateway.call(token=token)
        assert answer.status == 401
        assert 'error="invalid_token"' in answer.value("www-authenticate")

    assert len(gateway.authority.asked) == 1


@pytest.mark.parametrize("failure", [AuthorityFailed("down"), AuthorityRefusedUs("401")])
async def test_an_outage_of_the_token_service_is_503_never_401(gateway, token, failure):
    gateway.authority.failure = failure

    answer = await gateway.call(token=token)

    assert answer.status == 503
    assert answer.value("retry-after") == "1"
    assert not answer.values("www-authenticate")


async def test_refused_credentials_of_our_own_raise_an_alert(gateway, token):
    gateway.authority.failure = AuthorityRefusedUs("401")

    answer = await gateway.call(token=token)

    assert answer.status == 503
    assert gateway.counters.read("gateway_credentials_refused") == 1
    assert gateway.counters.read("credentials_refused") == 1

    gateway.authority.failure = None
    await gateway.call(token=token)
    assert gateway.counters.read("credentials_refused") == 0


async def test_nonsense_from_the_token_service_is_503(gateway):
    token = gateway.authority.issue(aud="https://other.test")

    assert (await gateway.call(token=token)).status == 503
    assert gateway.counters.read("introspection_nonsense") == 1


async def test_a_missing_scope_is_403_and_names_it(gateway):
    token = gateway.authority.issue(scope="profile")

    answer = await gateway.call(token=token)

    assert answer.status == 403
    challenge = answer.value("www-authenticate")
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="orders:read"' in challenge


async def test_no_subscription_is_403_and_says_what_to_do(gateway):
    token = gateway.authority.issue(client_id="stranger")

    answer = await gateway.call(token=token)

    assert answer.status == 403
    assert answer.problem["type"] == "/problems/not-subscribed"
    assert "Subscribe" in answer.problem["detail"]


async def test_a_new_configuration_is_in_force_for_a_warm_token(gateway, token):
    assert (await gateway.call(token=token)).status == 200

    gateway.configure(subscriptions=())
    assert (await gateway.call(token=token)).status == 403

    gateway.configure()
    assert (await gateway.call(token=token)).status == 200


async def test_a_rate_limit_is_429_with_its_headers(gateway, token):
    gateway.configure(rate_limits=[RateLimit(2, 60, 2)])

    answers = [await gateway.call(token=token) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    refused = answers[-1]
    assert refused.problem["type"] == "/problems/rate-limited"
    assert 1 <= int(refused.value("retry-after")) <= 61
    assert refused.value("ratelimit-policy") == '"rate";q=2;w=60'
    assert refused.value("ratelimit").startswith('"rate";r=0;t=')


async def test_a_refusal_names_the_limit(gateway, token):
    gateway.configure(
        rate_limits=[RateLimit(9, 60, 9), RateLimit(1, 60, 1, "new-orders", "user")],
        quotas=[Quota(50, "day"), Quota(90, "month", name="month")],
    )

    first, second = [await gateway.call(token=token) for _ in range(2)]

    assert (first.status, second.status) == (200, 429)
    assert second.problem["violated-policies"] == ["new-orders"]
    assert "'new-orders'" in second.problem["detail"]
    assert [item.split(";")[0] for item in first.value("ratelimit-policy").split(", ")] == [
        '"rate"',
        '"new-orders"',
        '"quota"',
        '"month"',
    ]


async def test_a_limit_per_address_counts_clients_apart(gateway, token):
    gateway.configure(rate_limits=[RateLimit(2, 60, 2, per="address")])

    here = [await gateway.call(token=token, peer="203.0.113.1") for _ in range(3)]
    there = await gateway.call(token=token, peer="203.0.113.2")

    assert [answer.status for answer in here] == [200, 200, 429]
    assert there.status == 200
    assert there.value("ratelimit-policy") == '"rate";q=2;w=60'


async def test_a_limit_of_other_operations_does_not_concern_a_call(gateway, token):
    gateway.configure(rate_limits=[RateLimit(1, 60, 1, operations=("api-1/create",))])

    answers = [await gateway.call(token=token) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert answers[0].values("ratelimit-policy") == []


async def test_a_used_up_quota_is_429_until_the_period_ends(gateway, token):
    gateway.configure(quotas=[Quota(1, "day")])

    answers = [await gateway.call(token=token) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 429]
    assert answers[1].problem["type"] == "/problems/quota-exhausted"
    assert 1 <= int(answers[1].value("retry-after")) <= 86_400


async def test_an_announced_body_that_is_too_large_is_413(gateway, upstream, token):
    gateway.configure(max_body_bytes=10)

    answer = await gateway.call(
        "/orders/v1/orders",
        method="POST",
        token=token,
        headers=[(b"content-length", b"11")],
        body=[b"x" * 11],
    )

    assert answer.status == 413
    assert not upstream.requests


async def test_a_streamed_body_that_grows_too_large_is_413(gateway, upstream, token):
    gateway.configure(max_body_bytes=10)

    answer = await gateway.call(
        "/orders/v1/orders",
        method="POST",
        token=token,
        headers=[(b"transfer-encoding", b"chunked")],
        body=[b"x" * 6, b"x" * 6],
    )

    assert answer.status == 413
    assert not upstream.requests


async def test_headers_that_are_too_large_are_431(gateway, token):
    answer = await gateway.call(token=token, headers=[(b"x-a", b"a" * 33_000)])

    assert answer.status == 431
    assert answer.value("connection") == "close"


async def test_an_unreachable_upstream_is_502(gateway, token):
    gateway.upstream_url = "http://127.0.0.1:1"
    gateway.configure()

    answer = await gateway.call(token=token)

    assert answer.status == 502
    assert answer.problem["type"] == "/problems/bad-gateway"


async def test_nonsense_from_the_upstream_is_502(gateway, upstream, token):
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"

    assert (await gateway.call(token=token)).status == 502


async def test_an_upstream_that_does_not_answer_in_time_is_504(upstream):
    harness = Harness(upstream.url, first_byte_timeout_seconds=0.2)
    harness.configure()

    async def never(recorded, writer):
        await asyncio.sleep(2)

    upstream.answerer = never

    answer = await harness.call(token=harness.authority.issue())

    assert answer.status == 504
    await harness.upstreams.close()


async def test_a_defect_is_500_without_detail(gateway, token, caplog):
    gateway.authority.failure = RuntimeError("secret cause")

    answer = await gateway.call(token=token)

    assert answer.status == 500
    assert answer.problem["type"] == "/problems/internal-error"
    assert b"secret cause" not in answer.body
    assert "secret cause" in caplog.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (b"gateway.test", 200),
        (b"Gateway.TEST:8443", 200),
        (b"evil.test", 421),
        (b"gateway.test.evil.test", 421),
        (b"", 400),
    ],
)
async def test_only_our_own_hosts_are_served(gateway, token, host, status):
    assert (await gateway.call(token=token, host=host)).status == status


async def test_two_hosts_are_400(gateway, token):
    answer = await gateway.call(token=token, headers=[(b"host", b"gateway.test")])

    assert answer.status == 400


async def test_options_is_answered_here_and_never_forwarded(gateway, upstream):
    answer = await gateway.call(method="OPTIONS")

    assert answer.status == 204
    assert answer.value("allow") == "GET, HEAD, OPTIONS"
    assert answer.body == b""
    assert not upstream.requests


async def test_every_answer_has_a_request_id(gateway, token):
    ids = {
        (await gateway.call(token=token)).value("x-request-id"),
        (await gateway.call()).value("x-request-id"),
        (await gateway.call("/none")).value("x-request-id"),
        (await gateway.call(method="OPTIONS")).value("x-request-id"),
    }

    assert len(ids) == 4


async def test_problems_name_the_request(gateway):
    answer = await gateway.call()

    assert answer.problem["instance"].endswith(answer.value("x-request-id"))
    assert answer.problem["status"] == 401
    assert answer.value("cache-control") == "no-store"


async def test_a_refusal_to_head_has_no_body(gateway):
    answer = await gateway.call(method="HEAD")

    assert answer.status == 401
    assert answer.body == b""


# --- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        b"/orders/v1/orders/../admin",
        b"/orders/v1/./orders/1",
        b"/orders/v1/orders/%2e%2e/admin",
        b"/orders/v1/orders/%2E/1",
        b"/orders/v1/orders/..;x=1/admin",
        b"/orders/v1/orders/..%2f..%2fadmin",
        b"/orders/v1/orders/a%2Fb",
        b"/orders/v1/orders%2f42",
        b"/orders%2Fv1/orders/42",
        b"/nobody/a%2fb",
        b"/orders/v1/orders/a\\b",
        b"/orders/v1/orders/a%5cb",
        b"/orders/v1/orders/a%00",
        b"/orders/v1/orders/a%0d%0aX: y",
        b"/orders/v1/orders/\x00",
        b"/orders/v1//orders/1",
        b"//orders/v1/orders/1",
        b"/orders/v1/orders/%",
        b"/orders/v1/orders/%zz",
        b"/orders/v1/orders/\xc3\xa9",
        b"*",
        b"",
    ],
)
async def test_paths_that_can_be_read_in_two_ways_are_400(gateway, upstream, token, path):
    answer = await gateway.call(path, token=token)

    assert answer.status == 400
    assert not upstream.requests


async def test_an_encoded_slash_is_400_before_options_are_answered(gateway):
    answer = await gateway.call(b"/orders/v1/orders%2f42", method="OPTIONS")

    assert answer.status == 400


async def test_an_encoded_slash_that_leads_nowhere_is_404_where_the_api_takes_it(gateway, token):
    gateway.configure(allow_encoded_slash=True)

    answer = await gateway.call(b"/orders/v1/orders%2f42", token=token)

    assert answer.status == 404


async def test_an_encoded_slash_passes_where_the_api_takes_it(gateway, upstream, token):
    gateway.configure(allow_encoded_slash=True)

    answer = await gateway.call(b"/orders/v1/orders/a%2Fb", token=token)

    assert answer.status == 200
    assert upstream.last.request_line == "GET /orders/a%2Fb HTTP/1.1"


@pytest.mark.parametrize(
    "path", [b"/orders/%7Ejoe", b"/orders/a%20b", b"/orders/a~b!$&'()*+,=:@", b"/orders/%2561"]
)
async def test_paths_and_queries_are_forwarded_byte_for_byte(gateway, upstream, token, path):
    query = b"?q=a%20b&x=%C3%A9&y=../..&z=[]"

    await gateway.call(b"/orders/v1" + path + query, token=token)

    assert upstream.last.request_line.encode() == b"GET " + path + query + b" HTTP/1.1"


async def test_a_path_that_is_too_long_is_414(gateway, token):
    answer = await gateway.call(b"/orders/v1/orders/" + b"a" * 9000, token=token)

    assert answer.status == 414


async def test_the_path_of_the_upstream_comes_first(gateway, upstream, token):
    gateway.upstream_url = upstream.url + "/internal/"
    gateway.configure()

    await gateway.call(token=token)

    assert upstream.last.request_line == "GET /internal/orders/42 HTTP/1.1"


# --- metering -------------------------------------------------------------------------------------


async def test_each_call_of_a_subscription_is_metered_once_whatever_its_end(
    gateway, upstream, token
):
    gateway.configure(rate_limits=[RateLimit(3, 60, 3)], max_body_bytes=10)
    await gateway.call(token=token)
    upstream.answer = b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"
    await gateway.call(token=token)
    await gateway.call(
        "/orders/v1/orders", method="POST", token=token, headers=[(b"content-length", b"11")]
    )
    await gateway.call(token=token)

    assert gateway.journal.statuses == [200, 500, 413, 429]
    assert gateway.journal.causes == ["upstream", "upstream", "client", "client"]
    key = gateway.journal.rows[0][0]
    assert (key.subscription_id, key.client_id, key.plan_id, key.api_id, key.operation_id) == (
        "sub-1",
        "client-1",
        "plan-1",
        "api-1",
        "get",
    )


async def test_calls_without_a_subscription_are_not_metered(gateway):
    await gateway.call()
    await gateway.call("/none")
    await gateway.call(token=gateway.authority.issue(client_id="stranger"))

    assert gateway.journal.rows == []
    assert gateway.plane.in_flight == set()


async def test_usage_is_recorded_before_the_last_bytes_leave(gateway, token):
    seen = []

    async def note(message):
        seen.append(len(gateway.journal.rows))

    await gateway.call(token=token, on_send=note)

    assert seen == [1]


async def test_bytes_are_metered_both_ways(gateway, token):
    await gateway.call(
        "/orders/v1/orders",
        method="POST",
        token=token,
        headers=[(b"content-length", b"5")],
        body=[b"abc", b"de"],
    )

    assert gateway.journal.rows[0][2:] == (5, 2)


async def test_the_first_of_two_subscriptions_counts(gateway, token):
    gateway.configure(
        subscriptions=[
            Subscription("sub-a", "client-1", "plan-1"),
            Subscription("sub-b", "client-1", "plan-1"),
        ]
    )

    await gateway.call(token=token)

    assert gateway.journal.rows[0][0].subscription_id == "sub-a"


async def test_head_uses_the_operation_of_get(gateway, upstream, token):
    upstream.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"

    answer = await gateway.call(method="HEAD", token=token)

    assert answer.status == 200
    assert answer.value("content-length") == "1234"
    assert answer.body == b""
    assert upstream.last.request_line == "HEAD /orders/42 HTTP/1.1"


async def test_an_operation_may_take_any_method(gateway, upstream, token):
    gateway.configure(Operation("any", "*", "/{rest*}"))

    answer = await gateway.call("/orders/v1/a/b", method="PATCH", token=token)

    assert answer.status == 200
    assert upstream.last.request_line == "PATCH /a/b HTTP/1.1"
