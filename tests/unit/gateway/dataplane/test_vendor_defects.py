"""The eleven defects found in the vendor's own phantom token plugins, each refuted here.

The token service is a real HTTP server, so that what goes over the wire is seen.
"""

import asyncio
import gc
import re
from urllib.parse import parse_qs

import pytest

from gateway.ims_client import IMSClient
from tests.unit.gateway.fake_authority import AuthorityServer
from tests.unit.gateway.harness import RESOURCE, Harness
from tests.unit.gateway.test_ims_client import make_config
from wire.bearer import Prefix, mint
from wire.gateway_snapshot import Operation

PATH = "/orders/v1/orders/42"


@pytest.fixture
def server():
    running = AuthorityServer()
    yield running
    running.close()


@pytest.fixture
async def gateway(server, upstream):
    ims = IMSClient(make_config(server.url))
    harness = Harness(upstream.url, authority=ims, issuer=server.url)
    harness.configure()
    yield harness
    await harness.upstreams.close()
    await ims.close()


def issue(server, **claims) -> bytes:
    token = mint(Prefix.ACCESS_TOKEN)
    server.live[token] = {"aud": RESOURCE, **claims}
    return token.encode()


def introspections(server) -> list[bytes]:
    return [body for _, path, _, body in server.calls if path == "/introspect"]


async def test_d1_without_an_introspection_endpoint_nothing_is_forwarded(
    gateway, server, upstream, monkeypatch
):
    monkeypatch.setattr(server, "answer", lambda *_: server._json(issuer=server.url))

    answer = await gateway.call(PATH, token=issue(server))

    assert answer.status == 503
    assert not upstream.requests


@pytest.mark.parametrize(
    "value",
    [b"Basic Bearer tok-1", b"Basic dG9r Bearer tok-1", b"X Bearer tok-1", b"BearerX tok-1"],
)
async def test_d2_bearer_is_the_scheme_and_not_a_word_somewhere(gateway, server, upstream, value):
    answer = await gateway.call(PATH, headers=[(b"authorization", value)])

    assert answer.status == 401
    assert not introspections(server)
    assert not upstream.requests


async def test_d3_what_is_cached_is_in_memory_and_names_the_token_by_its_digest(
    gateway, server, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    token = issue(server)

    await gateway.call(PATH, token=token)

    assert len(gateway.cache) == 1
    assert token.decode() not in repr(gc.get_referents(gateway.cache))
    assert not list(tmp_path.iterdir())  # of a running gateway: tests/e2e/test_secrets_at_rest.py


async def test_d4_a_token_cannot_become_a_second_parameter(gateway, server):
    injected = b"junk&token=tok-9&token_type_hint=x"

    refused = await gateway.call(PATH, token=injected)
    await gateway.authority.introspect(injected, RESOURCE)

    assert refused.status == 400
    (body,) = introspections(server)
    assert parse_qs(body.decode()) == {"token": [injected.decode()], "resource": [RESOURCE]}


async def test_d5_scopes_are_enforced_and_not_only_printed(gateway, server, upstream):
    answer = await gateway.call(PATH, token=issue(server, scope="other"))

    assert answer.status == 403
    assert 'error="insufficient_scope"' in answer.value("www-authenticate")
    assert not upstream.requests


async def test_d6_and_d7_the_challenge_has_its_error_code_and_is_well_formed(gateway):
    for answer in (await gateway.call(PATH), await gateway.call(PATH, token=b"tgat_junk")):
        challenge = answer.value("www-authenticate")
        assert re.fullmatch(
            r'Bearer \w+="[^"\\]*"(?:, \w+="[^"\\]*")*(?:, DPoP \w+="[^"\\]*")?', challenge
        )
    assert 'error="invalid_token"' in challenge


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 502, 503])
async def test_d8_trouble_with_the_token_service_is_never_blamed_on_the_token(
    gateway, server, upstream, status
):
    server.introspection = (status, {}, b"{}")

    answer = await gateway.call(PATH, token=issue(server))

    assert answer.status == 503
    assert answer.value("retry-after")
    assert answer.values("www-authenticate") == []
    assert gateway.counters.read("gateway_credentials_refused") == int(status in {401, 403})
    assert not upstream.requests


async def test_d9_no_store_is_not_cached(gateway, server, monkeypatch):
    token = issue(server)
    honest = server._introspect

    def uncacheable(text):
        status, fields, body = honest(text)
        return status, fields | {"cache-control": "no-store, max-age=0"}, body

    monkeypatch.setattr(server, "_introspect", uncacheable)

    for _ in range(3):
        assert (await gateway.call(PATH, token=token)).status == 200

    assert len(introspections(server)) == 3
    assert len(gateway.cache) == 0


async def test_d10_no_scope_is_needed_where_none_is_asked_for_and_the_jwt_is_read_once(
    gateway, server
):
    gateway.configure(Operation("get", "GET", "/orders/{id}"))
    token = issue(server, scope="")
    read = []

    class Log:
        def write(self, call, seconds, unix_now):
            read.append(call.phantom)

    gateway.plane.access_log = Log()
    for _ in range(3):
        assert (await gateway.call(PATH, token=token)).status == 200

    # The very same object: what was read of the JWT, and no look at it since.
    assert len(read) == 3
    assert len({id(phantom) for phantom in read}) == 1
    assert len(introspections(server)) == 1


async def test_d11_options_is_answered_here_with_and_without_a_token(gateway, server, upstream):
    token = issue(server)

    for given in (None, token):
        answer = await gateway.call(PATH, method="OPTIONS", token=given)
        assert answer.status == 204

    assert not upstream.requests


async def test_what_no_plugin_has_one_introspection_for_many_callers(gateway, server):
    token = issue(server)

    answers = await asyncio.gather(*(gateway.call(PATH, token=token) for _ in range(35)))

    assert {answer.status for answer in answers} == {200}
    assert len(introspections(server)) == 1
