import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from demo import access_token
from demo.access_token import AccessTokenVerifier
from demo.app import _ROUTES, OrdersAPI

ROOT = Path(__file__).parents[3]
DOCUMENT = yaml.safe_load((ROOT / "demo" / "openapi.yaml").read_text())


@pytest.fixture
async def call(issuer):
    """Return `call(method, path, token=..., **options)`; a good token is used by default."""
    app = OrdersAPI(AccessTokenVerifier(issuer.url, []))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://orders"
    ) as client:

        async def run(method, path, token="", headers=(), **options):
            token = token or issuer.token()
            headers = [("Authorization", f"Bearer {token}"), *headers]
            return await client.request(method, path, headers=headers, **options)

        run.anonymous = client
        run.app = app
        yield run


async def test_order_shows_what_was_received_but_never_the_token(call, issuer):
    token = issuer.token(sub="user-7")

    answer = await call(
        "GET", "/orders/42?x=%2F", token, headers=[("X-Twice", "a"), ("X-Twice", "b")]
    )

    received = answer.json()["received"]
    assert answer.status_code == 200
    assert answer.json()["order"]["id"] == "42"
    assert (received["method"], received["path"]) == ("GET", "/orders/42")
    assert received["query"] == "x=%2F"
    assert received["claims"]["sub"] == "user-7"
    assert received["headers"]["authorization"] == "Bearer (a JWT)"
    assert received["headers"]["x-twice"] == "a, b"
    assert token not in answer.text
    assert token.split(".")[2] not in answer.text


@pytest.mark.parametrize(
    "authorization",
    [None, "Basic YTpi", "Bearer", "Bearer a b", "Bearer a, Bearer b"],
)
async def test_without_a_bearer_token_the_challenge_names_no_error(call, authorization):
    headers = {"Authorization": authorization} if authorization else {}

    answer = await call.anonymous.get("/orders", headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="orders"'
    assert answer.headers["content-type"] == "application/problem+json"


BAD_CLAIMS = {
    "expired": {"exp": int(time.time()) - 60},
    "another issuer": {"iss": "http://evil.example"},
    "another audience": {"aud": "http://api.example/payments/v1"},
    "audience of several others": {"aud": ["http://a.example", "http://b.example"]},
    "empty audience": {"aud": ""},
    "no expiry": {"without": ("exp",)},
    "no audience": {"without": ("aud",)},
    "id token": {"typ": "JWT"},
    "unsigned key": {"key": ec.generate_private_key(ec.SECP256R1())},
}


@pytest.mark.parametrize("claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS.keys())
async def test_token_that_is_not_for_this_api_is_refused(call, issuer, claims):
    answer = await call("GET", "/orders/42", issuer.token(**claims))

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("token", ["tgat_opaque", "a.b.c"])
async def test_what_is_no_jwt_is_refused(call, token):
    assert (await call("GET", "/orders/42", token)).status_code == 401


async def test_symmetric_and_unsigned_tokens_are_refused(call, issuer):
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    headers = {"kid": "first", "typ": "at+jwt"}

    for key, algorithm in [("s" * 32, "HS256"), (None, "none")]:
        token = jwt.encode(claims, key, algorithm=algorithm, headers=headers)
        assert (await call("GET", "/orders/42", token)).status_code == 401


async def test_configured_audience_is_the_only_one(issuer):
    verifier = AccessTokenVerifier(issuer.url, ["urn:orders"])

    assert (await verifier.verify(issuer.token(aud=["urn:orders", "x"])))["sub"] == "client-1"
    with pytest.raises(access_token.InvalidToken):
        await verifier.verify(issuer.token())


async def test_keys_are_fetched_once_for_many_tokens(call, issuer):
    for _ in range(5):
        await call("GET", "/orders/42")

    assert issuer.requests == 2


async def test_unknown_keys_do_not_make_it_ask_each_time(call, issuer):
    for number in range(5):
        issuer.add_key(f"unknown-{number}")
        token = issuer.token(kid=f"unknown-{number}")
        del issuer.keys[f"unknown-{number}"]
        assert (await call("GET", "/orders", token)).status_code == 401

    assert issuer.requests == 2


async def test_new_key_of_the_issuer_is_found(call, issuer, monkeypatch):
    monkeypatch.setattr(access_token, "_UNKNOWN_KEY_SECONDS", 0.0)
    await call("GET", "/orders")
    issuer.add_key("second")

    assert (await call("GET", "/orders", issuer.token(kid="second"))).status_code == 200


async def test_issuer_that_is_down_is_not_the_callers_fault(call, issuer):
    issuer.is_up = False

    answer = await call("GET", "/orders")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_known_keys_serve_while_the_issuer_is_down(call, issuer, monkeypatch):
    await call("GET", "/orders")
    issuer.is_up = False
    monkeypatch.setattr(access_token, "_KEYS_SECONDS", 0.0)
    monkeypatch.setattr(access_token, "_UNKNOWN_KEY_SECONDS", 0.0)

    assert (await call("GET", "/orders")).status_code == 200


async def test_discovery_of_another_issuer_is_not_trusted(call, issuer):
    issuer.claimed = "http://evil.example"

    assert (await call("GET", "/orders")).status_code == 503


async def test_placed_order_can_be_read(call):
    placed = await call("POST", "/orders", json={"item": "Soap", "quantity": 3})
    found = await call("GET", placed.headers["location"])

    assert placed.status_code == 201
    assert found.json()["order"] == placed.json()["order"]
    assert found.json()["order"]["item"] == "Soap"


async def test_orders_are_bounded_and_the_documented_ones_stay(call):
    for _ in range(120):
        await call("POST", "/orders", json={"item": "Soap"})

    orders = (await call("GET", "/orders")).json()["orders"]
    assert len(orders) == 100
    assert [order["id"] for order in orders[:3]] == ["41", "42", "43"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"item": 1}', 400),
        (b'{"item": "a", "quantity": 0}', 400),
        (b'{"item": "a", "quantity": true}', 400),
        (b"\xff", 400),
        (b" " * 20_000, 413),
    ],
)
async def test_malformed_order_is_refused(call, content, status):
    assert (await call("POST", "/orders", content=content)).status_code == status


async def test_events_stream_ends_after_its_count(call):
    answer = await call("GET", "/orders/42/events?count=3&interval=0")

    assert answer.headers["content-type"] == "text/event-stream"
    assert re.findall(r"^id: (\d)$", answer.text, re.MULTILINE) == ["0", "1", "2"]


async def test_echo_gives_the_body_and_its_type_back(call):
    content = os.urandom(200_000)

    answer = await call("POST", "/echo", content=content, headers=[("Content-Type", "image/x")])

    assert (answer.content, answer.headers["content-type"]) == (content, "image/x")


@pytest.mark.parametrize("code", [200, 204, 304, 404, 418, 503, 599])
async def test_status_is_the_one_asked_for(call, code):
    assert (await call("GET", f"/status/{code}")).status_code == code


@pytest.mark.parametrize("code", ["99", "600", "abc", "100"])
async def test_status_that_cannot_be_sent_is_refused(call, code):
    assert (await call("GET", f"/status/{code}")).status_code == 400


async def test_slow_takes_its_time(call):
    started = time.monotonic()

    answer = await call("GET", "/slow?seconds=0.2")

    assert answer.json()["slept_seconds"] == 0.2
    assert time.monotonic() - started >= 0.2


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/orders/none", 404),
        ("GET", "/orders/none/events", 404),
        ("DELETE", "/orders", 405),
    ],
)
async def test_unknown_operation_is_refused(call, method, path, status):
    answer = await call(method, path)

    assert answer.status_code == status
    assert answer.headers.get("allow") == ("GET, POST" if status == 405 else None)


def _references(node):
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        node = list(node.values())
    for child in node if isinstance(node, list) else []:
        yield from _references(child)


def test_openapi_document_refers_only_to_what_it_holds():
    references = set(_references(DOCUMENT))

    assert references
    for reference in references:
        node = DOCUMENT
        for name in reference.removeprefix("#/").split("/"):
            node = node[name]


def test_openapi_document_describes_every_operation():
    described = {
        (method.upper(), path): operation["operationId"]
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post")
    }
    served = {
        (method, re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", pattern)): operation.__name__
        for method, pattern, operation in _ROUTES
    }
    assert described == served


def test_openapi_document_and_the_published_api_agree():
    (published,) = yaml.safe_load((ROOT / "demo" / "tollgate.yaml").read_text())["apis"]

    described = {
        operation["operationId"]: (method.upper(), path, operation["security"][0]["tollgate"])
        for path, item in DOCUMENT["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post")
    }
    assert described == {
        operation["operation_id"]: (operation["method"], operation["path"], operation["scopes"])
        for operation in published["operations"]
    }


def test_program_serves_streams_and_stops_when_told(issuer, tmp_path):
    port = _free_port()
    log = tmp_path / "log"
    argv = [sys.executable, "-m", "demo", "--port", str(port), "--issuer", issuer.url]
    token = issuer.token()
    with (
        log.open("wb") as output,
        subprocess.Popen(argv, cwd=ROOT, stdout=output, stderr=output) as demo,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_for(port, demo)
            headers = {"Authorization": f"Bearer {token}"}
            found = httpx.get(f"{url}/orders/42", headers=headers, timeout=20)
            echoed, was_early = _echo_in_two_steps(port, token)
            demo.send_signal(signal.SIGTERM)
            assert demo.wait(20) == 0
        finally:
            demo.kill()

    assert found.json()["received"]["claims"]["client_id"] == "client-1"
    assert (echoed, was_early) == (b"hello world", True)
    assert token not in log.read_text()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port, process):
    for _ in range(300):
        assert process.poll() is None
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("the demo does not listen")


def _echo_in_two_steps(port, token):
    """Return what came back, and whether the first half did before the second was sent."""
    head = (
        f"POST /echo HTTP/1.1\r\nHost: orders\r\nAuthorization: Bearer {token}\r\n"
        "Content-Length: 11\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(head.encode() + b"hello ")
        data = b""
        while b"hello " not in data and select.select([connection], [], [], 10)[0]:
            data += connection.recv(65536)
        was_early = data.endswith(b"hello ")
        connection.sendall(b"world")
        while chunk := connection.recv(65536):
            data += chunk
    return data.partition(b"\r\n\r\n")[2], was_early
