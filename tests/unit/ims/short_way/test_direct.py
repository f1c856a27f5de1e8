"""The short way to an endpoint answers like the long one."""

import asyncio
import json

import pytest
from django.core.asgi import get_asgi_application
from django.db import connections
from django.utils import timezone

from ims.models import AccessToken, AuditEvent
from ims.services.create_signing_key import create_signing_key
from ims.services.sign_jwt import sign_jwt
from ims.short_way import direct
from ims.short_way.door import Door
from ims.short_way.serving_threads import ServingThreads
from tests.factories.identity import (
    ORDERS,
    basic,
    make_access_token,
    make_client,
    make_grant,
    make_resource,
    make_user,
)
from tests.unit.ims.short_way.asgi_call import FORM, call, connect
from wire import bearer

pytestmark = pytest.mark.django_db(transaction=True)
PATHS = ("/oauth/token", "/oauth/introspect")


@pytest.fixture
def known():
    known = make_client(scopes=["orders:read"])
    make_resource().introspection_clients.add(known.client)
    create_signing_key()
    return known


@pytest.fixture
def doors(monkeypatch):
    """Return the long way and where requests come by; threads leave no connection behind."""
    serve = direct._serve
    taken = []

    def serve_and_close(request):
        taken.append(request.path)
        try:
            return serve(request)
        finally:
            connections.close_all()

    monkeypatch.setattr(direct, "_serve", serve_and_close)
    return get_asgi_application(), taken


def call_all(doors, path, form, headers=(), **changes):
    """Return the answers of Django's handler, of a thread, and of the event loop."""
    long_way, _ = doors

    async def call_each():
        door = Door()
        await connect(door.pipeline)
        ways = [
            long_way,
            direct.build_applications(*PATHS, otherwise=long_way)[path],
            direct.build_applications(*PATHS, otherwise=long_way, door=door)[path],
        ]
        try:
            return [await call(way, path, form, headers, **changes) for way in ways]
        finally:
            await door.pipeline.stop()

    return asyncio.run(call_each())


ISSUE = {"grant_type": "client_credentials", "scope": "orders:read"}


@pytest.mark.parametrize(
    "form",
    [
        ISSUE,
        {"grant_type": "client_credentials"},
        {**ISSUE, "resource": ORDERS},
        {**ISSUE, "scope": " orders:read  orders:read "},
    ],
    ids=["scope", "no scope", "resource", "scope twice"],
)
def test_token_comes_with_the_same_answer(doors, known, form):
    answers = call_all(doors, "/oauth/token", form, known.headers)

    tokens = {json.loads(body)["access_token"] for _, _, body in answers}
    [(status, headers, document)] = {
        (status, tuple(sorted(headers.items())), without_token(body))
        for status, headers, body in answers
        if headers.setdefault("content-length", str(len(body)))
    }
    assert (status, len(tokens)) == (200, 3)
    assert dict(headers)["content-security-policy"]
    assert dict(headers)["x-content-type-options"] == "nosniff"
    assert json.loads(document)["scope"] == "orders:read"
    assert doors[1] == ["/oauth/token"], "the event loop left it to the view"


def without_token(body):
    return json.dumps(json.loads(body) | {"access_token": ""})


def test_secret_may_come_in_the_form(doors, known):
    known.client.token_endpoint_auth_method = "client_secret_post"
    known.client.save()

    answers = call_all(doors, "/oauth/token", {**ISSUE, **known.form})

    assert [status for status, _, _ in answers] == [200, 200, 200]
    assert doors[1] == ["/oauth/token"]


def test_stored_tokens_are_alike(doors, known):
    call_all(doors, "/oauth/token", ISSUE, known.headers)

    first, *others = AccessToken.objects.order_by("issued_at")
    for other in others:
        for name in ("client_id", "scopes", "resources", "dpop_jkt", "actor", "subject"):
            assert getattr(other, name) == getattr(first, name), name
        assert other.expires_at - other.issued_at == first.expires_at - first.issued_at


@pytest.mark.parametrize(
    ("accept", "is_left"),
    [("application/json", False), ("*/*", False), ("text/html", True), ("", False)],
)
def test_introspection_answers_the_same(doors, known, accept, is_left):
    token, _ = make_access_token(known.client)
    headers = {**known.headers, "Accept": accept} if accept else known.headers

    first, *others = call_all(doors, "/oauth/introspect", {"token": token}, headers)

    for answer in (first, *others):
        answer[1].pop("cache-control")  # a second may have passed
    assert others == [first, first]
    assert json.loads(first[2])["active"]
    assert len(doors[1]) == 1 + is_left


def test_introspection_of_a_person_answers_the_same(doors, known):
    """Each claim that a mapping may name has its source in the same row."""
    resource = make_resource("https://gateway.example/people/v1", scopes=["people:read"])
    resource.introspection_clients.add(known.client)
    resource.claims = ["email", "groups", "name", "preferred_username"]
    resource.save()
    user = make_user(first_name="Ada", last_name="L\u00f8velace")
    token, _ = make_access_token(
        known.client,
        user=user,
        grant=make_grant(known.client, user, acr="2", amr=["pwd", "otp"]),
        scopes=["people:read"],
        resources=[resource.resource],
    )

    first, *others = call_all(doors, "/oauth/introspect", {"token": token}, known.headers)

    assert [body for _, _, body in others] == [first[2], first[2]]
    assert json.loads(first[2])["name"] == "Ada L\u00f8velace"
    assert len(doors[1]) == 1


def test_phantom_token_says_the_same(doors, known):
    token, _ = make_access_token(known.client)
    sign_jwt(claims={}, typ="at+jwt")  # the process knows the key
    headers = {**known.headers, "Accept": "application/jwt"}

    first, *others = call_all(doors, "/oauth/introspect", {"token": token}, headers)

    for answer in (first, *others):
        answer[1].pop("cache-control")
        answer[1].pop("content-length", None)
    assert [answer[:2] for answer in others] == [first[:2], first[:2]]
    # An ES256 signature is never the same twice; what it signs is.
    assert len({body.rpartition(b".")[0] for _, _, body in (first, *others)}) == 1
    assert len(doors[1]) == 1


@pytest.mark.parametrize("accept", ["application/json", "application/jwt"])
@pytest.mark.parametrize("end", ["revoked", "elsewhere"])
def test_dead_token_is_answered_the_same(doors, known, accept, end):
    changes = {"revoked_at": timezone.now()} if end == "revoked" else {"resources": ["urn:other"]}
    token, _ = make_access_token(known.client, **changes)
    headers = {**known.headers, "Accept": accept}

    first, *others = call_all(doors, "/oauth/introspect", {"token": token}, headers)

    for answer in (first, *others):
        answer[1].pop("content-length", None)  # hyper leaves it out of a 204
    assert others == [first, first]
    assert first[0] == (200 if accept == "application/json" else 204)
    assert len(doors[1]) == 1


@pytest.mark.parametrize(
    ("form", "changes"),
    [
        ({"grant_type": "nonsense"}, {}),
        ({"grant_type": ["client_credentials", "client_credentials"]}, {}),
        ({**ISSUE, "scope": "nobody:offers"}, {}),
        ({**ISSUE, "scope": "openid"}, {}),
        ({**ISSUE, "scope": "a\0b"}, {}),
        ({**ISSUE, "resource": "https://elsewhere.example"}, {}),
        (ISSUE, {"query_string": b"client_secret=x"}),
        (ISSUE, {"method": "GET"}),
    ],
    ids=[
        "unknown grant",
        "repeated",
        "unknown scope",
        "scope of a person",
        "NUL",
        "unknown resource",
        "secret in the URL",
        "GET",
    ],
)
def test_refusal_is_the_same(doors, known, form, changes):
    first, *others = call_all(doors, "/oauth/token", form, known.headers, **changes)

    assert others == [first, first]
    assert first[0] in {400, 405}


@pytest.mark.parametrize("path", PATHS)
def test_stranger_is_refused_the_same(doors, known, path):
    headers = basic(known.client.client_id, bearer.mint(bearer.Prefix.CLIENT_SECRET))
    token, _ = make_access_token(known.client)

    first, *others = call_all(
        doors, path, ISSUE if path == PATHS[0] else {"token": token}, {"Authorization": headers}
    )

    assert others == [first, first]
    assert first[0] == 401
    assert first[1]["www-authenticate"].startswith("Basic")
    failures = AuditEvent.objects.filter(event="client.authentication_failed")
    assert failures.count() == 3


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
    answers = call_all(doors, "/oauth/token", ISSUE, {**known.headers, **headers})

    assert [answer[0] for answer in answers] == [status] * 3
    assert doors[1] == []


def test_proof_is_judged_by_the_view(doors, known):
    first, *others = call_all(doors, "/oauth/token", ISSUE, {**known.headers, "DPoP": "junk"})

    assert others == [first, first]
    assert json.loads(first[2])["error"] == "invalid_dpop_proof"


def test_introspection_takes_one_statement(known):
    token, _ = make_access_token(known.client)
    asked = []

    async def introspect():
        door = Door()
        await connect(door.pipeline)
        once = door.pipeline.ask
        door.pipeline.ask = lambda *question: asked.append(question) or once(*question)
        way = direct.build_applications(PATHS[1], otherwise=None, door=door)[PATHS[1]]
        answer = await call(way, PATHS[1], {"token": token}, known.headers)
        await door.pipeline.stop()
        return answer

    assert asyncio.run(introspect())[0] == 200
    assert len(asked) == 1


def test_header_that_comes_twice_is_left_to_the_view(doors, known):
    authorization = known.headers["Authorization"].encode()
    twice = [(b"authorization", b"Basic junk"), (b"authorization", authorization)]
    plain = [(b"host", b"localhost"), (b"content-type", FORM), (b"content-length", b"48")]

    first, *others = call_all(doors, "/oauth/token", ISSUE, raw_headers=twice + plain)

    assert others == [first, first]
    assert first[0] == 401


@pytest.mark.parametrize("proxies", [0, 1])
def test_audit_event_knows_where_the_request_came_from(doors, known, settings, proxies):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
    headers = {
        **known.headers,
        "User-Agent": "bench/1 \u00e9",
        "X-Forwarded-For": "203.0.113.9",
        "X-Request-ID": "abc",
    }
    call_all(doors, "/oauth/token", ISSUE, headers)

    first, *others = AuditEvent.objects.filter(event="token.issued").order_by("pk")
    for event in others:
        for name in ("outcome", "reason", "client_id", "subject", "actor", "address", "user_agent"):
            assert getattr(event, name) == getattr(first, name), name
        assert event.detail.keys() == first.detail.keys()
        assert event.detail["scopes"] == first.detail["scopes"]
    assert first.address == ("203.0.113.9" if proxies else "127.0.0.1")
    assert len({event.request_id for event in (first, *others)}) == (1 if proxies else 3)
    digests = {AccessToken.objects.get(pk=t.pk).digest[:8].hex() for t in AccessToken.objects.all()}
    assert {event.detail["token"] for event in (first, *others)} == digests


def test_hsts_follows_what_our_proxy_says_of_tls(doors, known, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_HSTS_SECONDS = 60
    direct._list_headers_of_all.cache_clear()
    direct._is_secure.cache_clear()

    answers = call_all(
        doors, "/oauth/token", ISSUE, {**known.headers, "X-Forwarded-Proto": "https"}
    )

    direct._list_headers_of_all.cache_clear()
    direct._is_secure.cache_clear()
    assert [headers.get("strict-transport-security") for _, headers, _ in answers[1:]] == [
        "max-age=60"
    ] * 2


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
    application = direct._build_application("/oauth/token", threads, get_asgi_application(), None)

    async def thrice():
        return [(await call(application, "/oauth/token", ISSUE, known.headers))[0] for _ in "abc"]

    assert asyncio.run(thrice()) == [200, 200, 200]


def test_error_of_the_work_reaches_whoever_asked():
    def fail(question):
        raise ValueError(question)

    async def ask():
        await ServingThreads(fail, count=1, name="test").ask("why")

    with pytest.raises(ValueError, match="why"):
        asyncio.run(ask())


def test_kept_connection_that_postgres_has_ended_is_noticed():
    kept = connections["default"]
    with kept.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    assert not direct._is_cut(kept)

    other = kept.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    other.close()

    assert direct._is_cut(kept)
    kept.close()
    with kept.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert not direct._is_cut(kept)
