"""Pages of other origins: Fetch §3.2, answered at the gateway."""

import pytest

from tests.unit.gateway.harness import Harness
from wire.gateway_snapshot import CORS

APP = "https://app.example"
PATH = "/orders/v1/orders/42"


def asks(method="GET", origin=APP, headers=""):
    fields = [(b"origin", origin.encode()), (b"access-control-request-method", method.encode())]
    if headers:
        fields.append((b"access-control-request-headers", headers.encode()))
    return fields


async def preflight(gateway, path=PATH, **question):
    answer = await gateway.call(path, method="OPTIONS", headers=asks(**question))
    assert answer.status == 204
    assert answer.body == b""
    return answer


def words(answer, name):
    return [part.strip() for value in answer.values(name) for part in value.split(",")]


@pytest.fixture
def token(gateway):
    gateway.configure(cors=CORS(origins=(APP,), headers=("x-trace",), max_age_seconds=60))
    return gateway.authority.issue()


@pytest.mark.usefixtures("token")
async def test_a_preflight_of_a_known_origin_says_what_may_be_asked(gateway, upstream):
    answer = await preflight(gateway, headers="authorization, x-trace")

    assert answer.value("access-control-allow-origin") == APP
    assert words(answer, "access-control-allow-methods") == ["GET", "HEAD", "OPTIONS"]
    assert words(answer, "access-control-allow-headers") == [
        "authorization",
        "content-type",
        "dpop",
        "x-trace",
    ]
    assert answer.value("access-control-max-age") == "60"
    assert answer.values("access-control-allow-credentials") == []
    assert words(answer, "vary") == [
        "origin",
        "access-control-request-method",
        "access-control-request-headers",
    ]
    assert answer.value("allow") == "GET, HEAD, OPTIONS"
    assert not upstream.requests
    assert not gateway.journal.rows


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize(
    "question",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "https://app.example.evil.example"},
        {"origin": "http://app.example"},
        {"method": "POST"},
        {"method": "TRACE"},
        {"method": ""},
    ],
)
async def test_a_preflight_of_anybody_else_allows_nothing(gateway, question):
    answer = await preflight(gateway, **question)

    assert not [name for name, _ in answer.headers if name.startswith(b"access-control-")]
    assert "origin" in words(answer, "vary")


async def test_an_api_without_cors_allows_nothing_and_says_nothing(gateway):
    answer = await preflight(gateway)

    assert not [name for name, _ in answer.headers if name.startswith(b"access-control-")]
    assert answer.values("vary") == []


async def test_options_never_reaches_the_upstream_whatever_it_brings(gateway, upstream, token):
    for headers in ([], asks(), [(b"x-http-method", b"GET")]):
        answer = await gateway.call(PATH, method="OPTIONS", token=token, headers=headers)
        assert answer.status == 204

    assert not upstream.requests


async def test_the_methods_of_the_configuration_narrow_those_of_the_path(gateway):
    gateway.configure(cors=CORS(origins=(APP,), methods=("GET",)))

    assert words(await preflight(gateway), "access-control-allow-methods") == ["GET"]
    refused = await preflight(gateway, method="HEAD")
    assert refused.values("access-control-allow-origin") == []


@pytest.mark.usefixtures("token")
async def test_a_preflight_is_no_way_around_authentication(gateway, upstream):
    await preflight(gateway)

    answer = await gateway.call(PATH, headers=[(b"origin", APP.encode())])

    assert answer.status == 401
    assert not upstream.requests


async def test_an_answer_may_be_read_by_the_page_that_asked(gateway, upstream, token):
    answers = [
        await gateway.call(PATH, token=token, headers=[(b"origin", APP.encode())]) for _ in range(2)
    ]

    for answer in answers:
        assert answer.status == 200
        assert answer.value("access-control-allow-origin") == APP
        assert "www-authenticate" in words(answer, "access-control-expose-headers")
        assert words(answer, "vary") == ["origin"]
    assert upstream.last.values("origin") == [APP]


@pytest.mark.parametrize(
    "headers", [[], [(b"origin", b"https://evil.example")], [(b"origin", b"null")]]
)
async def test_anybody_else_is_served_and_told_nothing(gateway, token, headers):
    answer = await gateway.call(PATH, token=token, headers=headers)

    assert answer.status == 200
    assert answer.values("access-control-allow-origin") == []
    assert words(answer, "vary") == ["origin"]


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ({}, 401),
        ({"token": b"tgat_junk"}, 401),
        ({"token": b"a b"}, 400),
        ({"scope": "other"}, 403),
        ({"client_id": "unsubscribed"}, 403),
    ],
)
async def test_a_page_may_read_why_it_was_refused(gateway, token, call, status):
    del token
    if "scope" in call or "client_id" in call:
        call = {"token": gateway.authority.issue(**call)}

    answer = await gateway.call(PATH, headers=[(b"origin", APP.encode())], **call)

    assert answer.status == status
    assert answer.value("access-control-allow-origin") == APP
    assert words(answer, "vary") == ["origin"]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        (PATH, "DELETE", 405),
        ("/orders/v1/nothing", "GET", 404),
        ("/orders/v1/orders/a//b", "GET", 400),
        ("/orders/v2/orders/42", "GET", 404),
    ],
)
async def test_also_where_no_operation_was_found(gateway, token, path, method, status):
    answer = await gateway.call(
        path, method=method, token=token, headers=[(b"origin", APP.encode())]
    )

    assert answer.status == status
    is_of_the_api = path.startswith("/orders/v1/")
    assert answer.values("access-control-allow-origin") == ([APP] if is_of_the_api else [])


async def test_any_origin_is_the_same_answer_for_everybody(gateway):
    gateway.configure(cors=CORS(origins=("*",), headers=("*",)))
    token = gateway.authority.issue()

    asked = await preflight(gateway, headers="x-one, x two, X-Three")
    answer = await gateway.call(PATH, token=token, headers=[(b"origin", b"https://any.example")])

    assert asked.value("access-control-allow-origin") == "*"
    allowed = words(asked, "access-control-allow-headers")
    assert allowed == ["authorization", "content-type", "dpop", "x-one", "X-Three"]
    assert answer.value("access-control-allow-origin") == "*"
    assert answer.values("vary") == []


async def test_credentials_are_allowed_where_they_are_configured(gateway):
    gateway.configure(cors=CORS(origins=(APP,), credentials=True))
    token = gateway.authority.issue()

    asked = await preflight(gateway)
    answer = await gateway.call(PATH, token=token, headers=[(b"origin", APP.encode())])

    for one in (asked, answer):
        assert one.value("access-control-allow-credentials") == "true"


async def test_two_origins_are_refused(gateway, token):
    headers = [(b"origin", APP.encode()), (b"origin", b"https://evil.example")]

    assert (await gateway.call(PATH, token=token, headers=headers)).status == 400


UPSTREAM_POLICY = (
    b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nVary: accept\r\n"
    b"Content-Length: 2\r\n\r\n{}"
)


async def test_the_policy_of_the_gateway_replaces_that_of_the_upstream(gateway, upstream, token):
    upstream.answer = UPSTREAM_POLICY

    answer = await gateway.call(PATH, token=token, headers=[(b"origin", APP.encode())])

    assert answer.values("access-control-allow-origin") == [APP]
    assert words(answer, "vary") == ["origin", "accept"]


async def test_without_a_policy_here_that_of_the_upstream_passes(gateway, upstream):
    upstream.answer = UPSTREAM_POLICY

    answer = await gateway.call(PATH, token=gateway.authority.issue())

    assert answer.values("access-control-allow-origin") == ["*"]


async def test_a_call_that_uses_none_of_this_notes_nothing(gateway: Harness):
    token = gateway.authority.issue()
    seen = []

    class Log:
        def write(self, call, seconds, unix_now):
            seen.append(call.extras)

    gateway.plane.access_log = Log()
    await gateway.call(PATH, token=token)
    await gateway.call(PATH, token=token)

    assert seen == [None, None]
