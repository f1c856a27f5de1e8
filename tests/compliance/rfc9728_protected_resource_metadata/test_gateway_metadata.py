"""The gateway in front of an API, as a client that knows nothing but the API's address sees it."""

import json
from dataclasses import replace

import pytest

from tests.unit.gateway.harness import ISSUER, RESOURCE, Harness
from tests.unit.gateway.raw_upstream import run_raw_upstream
from wire.gateway_snapshot import Operation

ADDRESS = "/.well-known/oauth-protected-resource/orders/v1"
NEEDS_BOTH = Operation("get", "GET", "/orders/{id}", ("orders:read", "orders:audit"))


@pytest.fixture
async def gateway():
    async with run_raw_upstream() as upstream:
        harness = Harness(upstream.url)
        harness.configure(
            scopes=("orders:audit", "orders:read"), documentation_url="https://docs.test/orders"
        )
        yield harness
        await harness.upstreams.close()


@pytest.mark.compliance("RFC 9728", "3.1", "the document is at the path-inserted address")
@pytest.mark.compliance("RFC 9728", "2", "the members say what the API is and who issues tokens")
async def test_document_names_resource_issuer_and_scopes(gateway):
    answer = await gateway.call(ADDRESS)

    assert answer.status == 200
    assert answer.value("content-type") == "application/json"
    assert json.loads(answer.body) == {
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "resource_name": "Orders",
        "scopes_supported": ["orders:audit", "orders:read"],
        "resource_documentation": "https://docs.test/orders",
        "dpop_signing_alg_values_supported": [
            "ES256", "ES384", "RS256", "PS256", "EdDSA", "Ed25519",
        ],
    }  # fmt: skip


@pytest.mark.compliance("RFC 9728", "2", "members without a value are left out")
async def test_what_the_api_does_not_have_is_left_out(gateway):
    gateway.configure()

    document = json.loads((await gateway.call(ADDRESS)).body)

    assert "scopes_supported" not in document
    assert "resource_documentation" not in document


@pytest.mark.compliance("RFC 9728", "3.2", "the answer may be cached")
async def test_document_may_be_cached_and_read_by_pages_of_any_origin(gateway):
    answer = await gateway.call(ADDRESS)

    assert answer.value("cache-control") == "max-age=300"
    assert answer.value("access-control-allow-origin") == "*"


async def test_head_has_the_head_of_the_document_only(gateway):
    head = await gateway.call(ADDRESS, method="HEAD")

    assert head.status == 200
    assert head.value("content-type") == "application/json"
    assert head.body == b""


async def test_preflight_of_a_browser_client_is_answered(gateway):
    answer = await gateway.call(
        ADDRESS,
        method="OPTIONS",
        headers=[(b"access-control-request-headers", b"mcp-protocol-version")],
    )

    assert answer.status == 204
    assert answer.value("access-control-allow-origin") == "*"
    assert answer.value("access-control-allow-methods") == "GET, HEAD, OPTIONS"
    assert answer.value("access-control-allow-headers") == "*"


async def test_a_deeper_address_is_answered_by_its_api(gateway):
    answer = await gateway.call(f"{ADDRESS}/orders/42")

    assert json.loads(answer.body)["resource"] == RESOURCE


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resource/orders",
        "/.well-known/oauth-protected-resource/orders/v10",
        "/.well-known/oauth-protected-resource/ORDERS/v1",
        "/.well-known/oauth-authorization-server",
    ],
)
async def test_an_unknown_api_is_404(gateway, path):
    answer = await gateway.call(path)

    assert answer.status == 404
    assert answer.problem["type"] == "/problems/not-found"


async def test_metadata_is_only_read(gateway):
    answer = await gateway.call(ADDRESS, method="POST")

    assert answer.status == 405
    assert answer.value("allow") == "GET, HEAD, OPTIONS"


async def test_asking_needs_no_token_and_is_not_metered(gateway):
    await gateway.call(ADDRESS)

    assert gateway.authority.asked == []
    assert gateway.journal.rows == []


async def test_a_gateway_without_issuer_says_nothing(gateway):
    gateway.plane.configuration.access.metadata._apis.clear()

    assert (await gateway.call(ADDRESS)).status == 404
    assert "resource_metadata" not in (await gateway.call()).value("www-authenticate")


@pytest.mark.compliance("RFC 9728", "5.1", "a 401 says where the metadata is")
async def test_challenge_without_token_leads_to_the_metadata(gateway):
    answer = await gateway.call()

    assert answer.status == 401
    assert answer.value("www-authenticate") == (
        'Bearer realm="tollgate", scope="orders:read",'
        f' resource_metadata="https://gateway.test{ADDRESS}",'
        ' DPoP algs="ES256 ES384 RS256 PS256 EdDSA Ed25519"'
    )


@pytest.mark.compliance("RFC 9728", "5.1", "a 401 for a bad token says where the metadata is")
async def test_challenge_for_a_bad_token_names_scope_and_metadata(gateway):
    answer = await gateway.call(token=b"tg_at_unknown")

    assert answer.status == 401
    challenge = answer.value("www-authenticate")
    assert 'error="invalid_token"' in challenge
    assert 'scope="orders:read"' in challenge
    assert f'resource_metadata="https://gateway.test{ADDRESS}"' in challenge


@pytest.mark.compliance("RFC 6750", "3.1", "insufficient_scope names every scope that is needed")
async def test_challenge_for_a_lacking_scope_names_all_of_them(gateway):
    gateway.configure(NEEDS_BOTH)

    answer = await gateway.call(token=gateway.authority.issue(scope="orders:read"))

    assert answer.status == 403
    challenge = answer.value("www-authenticate")
    assert 'error="insufficient_scope"' in challenge
    assert 'scope="orders:read orders:audit"' in challenge
    assert f'resource_metadata="https://gateway.test{ADDRESS}"' in challenge


@pytest.mark.parametrize(
    ("resource", "origin"),
    [
        ("https://api.example/orders/v1", "https://api.example"),
        ("https://api.example/orders", "https://gateway.test"),
        ('https://api"x/orders/v1', "https://gateway.test"),
    ],
)
async def test_metadata_is_at_the_origin_of_the_resource_where_that_is_its_address(
    gateway, resource, origin
):
    api = gateway.plane.configuration.router.match("GET", b"/orders/v1/orders/1").api
    metadata = gateway.plane.configuration.access.metadata

    assert metadata.address_of(replace(api, resource=resource)) == f"{origin}{ADDRESS}"
