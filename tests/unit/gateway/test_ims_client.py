"""What goes over the wire to the token service, and what its answers mean."""

import base64
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from gateway.config import BadConfiguration, Config, IntrospectionSettings, load
from gateway.control_client import BatchRefused, ControlClient, ControlFailed
from gateway.dataplane.guarded_authority import AuthorityFailed, AuthorityRefusedUs
from gateway.dataplane.trusted_hops import TrustedHops
from gateway.ims_client import IMSClient
from tests.unit.gateway.fake_authority import AuthorityServer
from tests.unit.gateway.harness import RESOURCE
from wire.bearer import Prefix, mint
from wire.usage_batch import UsageBatch
from wire.usage_report import UsageReport
from wire.uuid7 import uuid7


@pytest.fixture
def authority():
    server = AuthorityServer()
    yield server
    server.close()


def make_config(url: str, **changes) -> Config:
    config = Config(
        home=Path("/nonexistent"),
        issuer=url,
        control_url=url,
        issuer_ca_pem="",
        client_id="tollgate-gateway",
        client_secret="s3cret:&%",
        redis_url="redis://127.0.0.1:1/0",
        bind="127.0.0.1",
        port=0,
        admin_port=0,
        workers=1,
        certificate=None,
        key=None,
        hosts=frozenset(),
        trusted_hops=TrustedHops(),
        node="node",
        takes_any_token=False,
        access_log="",
        max_cached_tokens=10,
        max_cached_bytes=10_000,
    )
    return replace(config, **changes)


@pytest.fixture
async def ims(authority):
    client = IMSClient(make_config(authority.url))
    yield client
    await client.close()


async def test_the_token_cannot_break_out_of_its_parameter(ims, authority):
    await ims.introspect(b"tok-2&token_type_hint=x&token=tok-9", RESOURCE)

    _, _, _, body = authority.calls[-1]
    assert parse_qs(body.decode()) == {
        "token": ["tok-2&token_type_hint=x&token=tok-9"],
        "resource": [RESOURCE],
    }


async def test_our_credentials_are_form_encoded_in_basic(ims, authority):
    await ims.introspect(b"x", RESOURCE)

    sent = authority.calls[-1][2]["authorization"].removeprefix("Basic ")
    assert base64.b64decode(sent) == b"tollgate-gateway:s3cret%3A%26%25"


async def test_an_active_token_is_its_jwt_and_how_long_it_may_be_kept(ims, authority):
    token = mint(Prefix.ACCESS_TOKEN)
    authority.live[token] = {}

    answer = await ims.introspect(token.encode(), RESOURCE)

    assert answer.jwt.count(b".") == 2
    assert answer.max_age_seconds == 300.0


async def test_an_inactive_token_is_none(ims):
    assert await ims.introspect(b"unknown", RESOURCE) is None


@pytest.mark.parametrize(
    ("cache_control", "expected"),
    [
        ("no-store", 0.0),
        ("no-store, max-age=60", 0.0),
        ("no-cache", 0.0),
        ("private, max-age=60", 60.0),
        ("s-maxage=60", None),
        ("MAX-AGE=5", 5.0),
        ("", None),
    ],
)
async def test_cache_control_is_obeyed(ims, authority, cache_control, expected):
    headers = {"content-type": "application/jwt", "cache-control": cache_control}
    authority.introspection = (200, headers, b"a.b.c")

    assert (await ims.introspect(b"x", RESOURCE)).max_age_seconds == expected


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((401, {}, b""), AuthorityRefusedUs),
        ((403, {}, b""), AuthorityRefusedUs),
        ((400, {}, b'{"error":"invalid_client"}'), AuthorityRefusedUs),
        ((500, {}, b""), AuthorityFailed),
        ((503, {}, b""), AuthorityFailed),
        ((404, {}, b""), AuthorityFailed),
        ((302, {"location": "http://evil.test"}, b""), AuthorityFailed),
        ((200, {"content-type": "text/html"}, b"<p>hello"), AuthorityFailed),
        ((200, {"content-type": "application/json"}, b'{"active":true}'), AuthorityFailed),
    ],
)
async def test_whatever_is_no_answer_is_never_an_inactive_token(ims, authority, answer, error):
    authority.introspection = answer

    with pytest.raises(AuthorityFailed) as caught:
        await ims.introspect(b"x", RESOURCE)
    assert type(caught.value) is error


async def test_a_token_service_that_is_not_there_is_a_failure():
    client = IMSClient(make_config("http://127.0.0.1:1"))

    with pytest.raises(AuthorityFailed):
        await client.introspect(b"x", RESOURCE)


async def test_another_issuers_metadata_is_not_used(authority):
    client = IMSClient(make_config(authority.url.replace("127.0.0.1", "localhost")))

    with pytest.raises(AuthorityFailed):
        await client.introspect(b"x", RESOURCE)
    await client.close()


async def test_discovery_is_asked_once(ims, authority):
    for _ in range(3):
        await ims.introspect(b"x", RESOURCE)

    assert authority.paths().count("/.well-known/oauth-authorization-server") == 1


async def test_the_control_token_is_for_the_control_resource_and_is_kept(ims, authority):
    for _ in range(2):
        assert await ims.control_token() == b"control-token"

    assert authority.paths().count("/token") == 1
    assert parse_qs(authority.calls[-1][3].decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["gateway"],
        "resource": [f"{authority.url}/control"],
    }


async def test_the_feed_begins_without_a_cursor_and_goes_on_from_it(ims, authority):
    page = await ims.read_revocations(None)
    authority.revoke(b"\x01" * 32)

    page = await ims.read_revocations(page.cursor)

    assert page.digests == (b"\x01" * 32,)
    assert page.cursor == 1


async def test_a_batch_is_delivered_with_our_token(ims, authority):
    control = ControlClient(make_config(authority.url), ims)

    await control.send_usage(UsageBatch(uuid7(), "node", ()))

    assert len(authority.batches) == 1
    assert authority.calls[-1][2]["authorization"] == "Bearer control-token"
    await control.close()


async def test_a_report_is_answered_with_the_reconciled_minute(ims, authority):
    control = ControlClient(make_config(authority.url), ims)
    report = UsageReport("node", 1, 2, 3, 4)

    assert await control.send_usage_report(report) == 1_700_000_040
    assert authority.reports == [report.as_document()]
    for answer in ((200, {}, b'{"reconciled_minute": null}'), (200, {}, b"[]"), (404, {}, b"")):
        authority.answer = lambda method, path, body, given=answer, ask=authority.answer: (
            given if path.endswith("/usage-reports") else ask(method, path, body)
        )
        if answer[2].endswith(b"null}"):
            assert await control.send_usage_report(report) == 0
        else:
            with pytest.raises(ControlFailed):
                await control.send_usage_report(report)
    await control.close()


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, BatchRefused), (413, BatchRefused), (422, BatchRefused), (500, ControlFailed)],
)
async def test_a_refused_batch_is_told_from_one_to_send_again(ims, authority, status, error):
    control = ControlClient(make_config(authority.url), ims)
    authority.answer = lambda method, path, body, ask=authority.answer: (
        (status, {}, b"") if path.startswith("/control") else ask(method, path, body)
    )

    with pytest.raises(error):
        await control.send_usage(UsageBatch(uuid7(), "node", ()))
    await control.close()


async def test_without_credentials_there_is_no_control_plane(ims, authority):
    authority.token_status = 401
    control = ControlClient(make_config(authority.url), ims)

    with pytest.raises(ControlFailed):
        await control.read_snapshot(0, "", waits=False)
    await control.close()


# --- another vendor's token service -----------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"CLIENT_ID": ""}, "CLIENT_ID"),
        ({"CLIENT_SECRET": ""}, "CLIENT_SECRET"),
        ({"ISSUER": "login.example"}, "ISSUER"),
        ({"URL": "introspect"}, "URL"),
        ({"FORM": "xml"}, "FORM"),
        ({"MAX_AGE": "soon"}, "MAX_AGE"),
        ({"CA_FILE": "/nonexistent"}, "CA_FILE"),
    ],
)
def test_unusable_settings_of_another_token_service_are_refused(monkeypatch, changes, word):
    settle(monkeypatch, **changes)

    with pytest.raises(BadConfiguration, match=word):
        load()


def test_another_token_service_is_asked_as_it_is_configured(monkeypatch):
    settle(monkeypatch, MAX_AGE="60", FORM="jwt")

    config = load()

    assert config.introspection == IntrospectionSettings(
        issuer="https://login.example/",
        url="",
        client_id="gateway",
        client_secret="s",
        ca_pem="",
        max_age_seconds=60.0,
        form="jwt",
    )
    assert config.token_issuer == "https://login.example/"
    assert config.takes_any_token


def settle(monkeypatch, **changes):
    given = {"ISSUER": "https://login.example/", "CLIENT_ID": "gateway", "CLIENT_SECRET": "s"}
    for name, value in (given | changes).items():
        monkeypatch.setenv(f"TOLLGATE_GATEWAY_INTROSPECTION_{name}", value)
    monkeypatch.setenv("TOLLGATE_GATEWAY_CLIENT_SECRET", "secret")
    monkeypatch.setenv("TOLLGATE_GATEWAY_TLS", "off")
