"""The short way to an endpoint answers like the long one."""

import asyncio
import json
from urllib.parse import urlencode

import pytest
from django.core.asgi import get_asgi_application
from django.db import connections

from ims.models import AuditEvent
from ims.services.create_signing_key import create_signing_key
from ims.short_way import direct
from ims.short_way.serving_threads import ServingThreads
from tests.factories.identity import make_access_token, make_client, make_resource

pytestmark = pytest.mark.django_db(transaction=True)
FORM = b"application/x-www-form-urlencoded"
PATHS = ("/oauth/token", "/oauth/introspect")


@pytest.fixture
def known():
    known = make_client(scopes=["orders:read"])
    make_resource().introspection_clients.add(known.client)
    create_signing_key()
    return known


@pytest.fixture
def doors(monkeypatch):
    """Return the long way and the short one, whose threads leave no connection behind."""
    serve = direct._serve
    taken = []

    def serve_and_close(request):
        taken.append(request.path)
        try:
            return serve(request)
        finally:
            connections.close_all()

    monkeypatch.setattr(direct, "_serve", serve_and_close)
    long_way = get_asgi_application()
    return long_way, direct.build_applications(*PATHS, otherwise=long_way), taken


async def call(application, path, form, headers=(), **changes):
    body = urlencode(form, doseq=True).encode()
    given = {
        b"host": b"localhost",
        b"content-type": FORM,
        b"content-length": str(len(body)).encode(),
        **{name.lower().encode(): value.encode() for name, value in dict(headers).items()},
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "headers": list(given.items()),
    } | changes
    received, sent = asyncio.Queue(), []
    half = len(body) // 2
    received.put_nowait({"type": "http.request", "body": body[:half], "more_body": True})
    received.put_nowait({"type": "http.request", "body": body[half:], "more_body": False})

    async def send(message):
        sent.append(message)

    await application(scope, received.get, send)
    [start, *parts] = sent
    names = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    assert len(names) == len(start["headers"]), "a header is sent twice"
    return start["status"], names, b"".join(part.get("body", b"") for part in parts)


def call_both(doors, path, form, headers=(), **changes):
    long_way, short_ways, _ = doors

    async def both():
        return [
            await call(application, path, form, headers, **changes)
            for application in (long_way, short_ways[path])
        ]

    return asyncio.run(both())


ISSUE = {"grant_type": "client_credentials", "scope": "orders:read"}


def test_token_comes_with_the_same_headers(doors, known):
    (status, long_headers, _), (short_status, headers, body) = call_both(
        doors, "/oauth/token", ISSUE, known.headers
    )

    assert status == short_status == 200
    assert headers == long_headers | {"content-length": str(len(body))}
    assert headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert json.loads(body)["access_token"]
    assert doors[2] == ["/oauth/token"]


@pytest.mark.parametrize("accept", ["application/json", "text/html", "*/*"])
def test_introspection_answers_the_same(doors, known, accept):
    token, _ = make_access_token(known.client)

    long_way, short_way = call_both(
        doors, "/oauth/introspect", {"token": token}, {**known.headers, "Accept": accept}
    )

    for answer in (long_way, short_way):
        answer[1].pop("cache-control")  # a second may have passed
    assert short_way == long_way
    assert json.loads(short_way[2])["active"]
    assert doors[2] == ["/oauth/introspect"]


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ({"grant_type": "nonsense"}, {}),
        ({"grant_type": ["client_credentials", "client_credentials"]}, {}),
        ({**ISSUE, "scope": "nobody:offers"}, {}),
        (ISSUE, {"query_string": b"client_secret=x"}),
        (ISSUE, {"method": "GET"}),
    ],
    ids=["unknown grant", "repeated", "unknown scope", "secret in the URL", "GET"],
)
def test_refusal_is_the_same(doors, known, form, changes):
    long_way, short_way = call_both(doors, "/oauth/token", form, known.headers, **changes)

    assert short_way == long_way
    assert short_way[0] in {400, 405}


def test_stranger_is_refused_the_same(doors, known):
    headers = {"Authorization": known.headers["Authorization"][:-4] + "AAA="}
    long_way, short_way = call_both(doors, "/oauth/token", ISSUE, headers)

    assert short_way == long_way
    assert short_way[0] == 401
    assert short_way[1]["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 400),
        ({"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, 200),
    ],
    ids=["another host", "multipart", "charset"],
)
def test_what_is_unusual_takes_the_long_way(doors, known, headers, status):
    _, short_way = call_both(doors, "/oauth/token", ISSUE, {**known.headers, **headers})

    assert short_way[0] == status
    assert doors[2] == []


def test_audit_event_knows_where_the_request_came_from(doors, known):
    call_both(doors, "/oauth/token", ISSUE, {**known.headers, "User-Agent": "bench/1"})

    first, second = AuditEvent.objects.filter(event="token.issued")
    assert (first.address, first.user_agent) == (second.address, second.user_agent)
    assert second.user_agent == "bench/1"


def test_lost_connection_is_replaced(doors, known, monkeypatch):
    """A database that restarts must not leave a thread with a dead connection for good."""
    monkeypatch.undo()
    work = []

    def serve(request):
        response = direct._serve(request)
        if not work:
            connections["default"].connection.close()
        if len(work) == 2:
            connections.close_all()
        work.append(response.status_code)
        return response

    threads = ServingThreads(serve, count=1, name="test")
    application = direct._build_application("/oauth/token", threads, get_asgi_application())

    async def thrice():
        return [(await call(application, "/oauth/token", ISSUE, known.headers))[0] for _ in "abc"]

    assert asyncio.run(thrice()) == [200, 500, 200]


def test_error_of_the_work_reaches_whoever_asked():
    def fail(question):
        raise ValueError(question)

    async def ask():
        await ServingThreads(fail, count=1, name="test").ask("why")

    with pytest.raises(ValueError, match="why"):
        asyncio.run(ask())
