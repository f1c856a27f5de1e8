"""nginx with `auth_request` and Envoy with `ext_authz`, by the documented configurations."""

import httpx
import pytest

pytestmark = pytest.mark.xdist_group("proxies")


@pytest.fixture(params=["nginx", "envoy"])
def proxy(request):
    """Each proxy in turn; its name is its own."""
    with httpx.Client(base_url=request.getfixturevalue(request.param), timeout=20) as client:
        client.headers["host"] = "localhost"
        client.name = request.param
        yield client


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_the_upstream_gets_the_jwt_and_never_the_token(world, proxy):
    token = world.token()

    answer = proxy.get("/orders/v1/orders/42?expand=lines", headers=bearer(token))

    assert answer.status_code == 200
    head = answer.json()["head"]
    assert head.startswith("GET /orders/42?expand=lines HTTP/1.1\r\n")
    assert "authorization: bearer eyj" in head.lower()
    assert head.lower().count("authorization:") == 1
    assert token not in head


def test_a_body_stays_at_the_proxy_and_reaches_the_upstream(world, proxy):
    answer = proxy.post("/orders/v1/orders", headers=bearer(world.token()), content=b"x" * 5000)

    assert answer.status_code == 200
    assert answer.json()["body"] == "x" * 5000


def test_without_a_token_the_client_gets_the_challenge(world, proxy):
    answer = proxy.get("/orders/v1/orders/42")

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="tollgate"')


def test_a_token_of_nobody_is_refused(world, proxy):
    strange = world.token()
    del world.authority.live[strange]

    answer = proxy.get("/orders/v1/orders/42", headers=bearer(strange))

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/orders/v1/orders/42", 403),
        ("GET", "/orders/v1/nothing/here", 404),
        ("PUT", "/orders/v1/orders/42", 405),
    ],
)
def test_refusals_are_told_apart(world, proxy, method, path, status):
    answer = proxy.request(method, path, headers=bearer(world.token()))

    assert answer.status_code == status
    if proxy.name == "envoy":
        assert answer.json()["status"] == status


def test_limits_of_the_plan_hold(world, proxy):
    # One call an hour for the client, here for each worker: no Valkey keeps the sum.
    headers = bearer(world.token(client_id="client-2"))

    answers = [proxy.get("/orders/v1/orders/42", headers=headers) for _ in range(12)]

    answer = answers[-1]
    assert answer.status_code == 429
    assert sum(one.status_code == 200 for one in answers) <= 2
    assert int(answer.headers["retry-after"]) > 0


def test_options_is_never_forwarded(world, proxy):
    answer = proxy.options("/orders/v1/orders/42")

    assert answer.status_code == 204
    assert b"head" not in answer.content


def test_what_a_client_says_of_itself_is_not_believed(world, proxy):
    forged = {
        "x-original-uri": "/orders/v1/orders/7",
        "x-original-method": "GET",
        "x-forwarded-uri": "/orders/v1/orders/7",
        "x-forwarded-method": "GET",
        "x-forwarded-host": "evil.test",
    }

    refused = proxy.delete("/orders/v1/orders/42", headers={**bearer(world.token()), **forged})
    admitted = proxy.get("/orders/v1/orders/42", headers={**bearer(world.token()), **forged})

    assert refused.status_code == 403
    assert admitted.status_code == 200


def test_an_encoded_way_out_of_the_api_is_refused(world, proxy):
    answer = proxy.get(
        httpx.URL(f"{proxy.base_url}").copy_with(raw_path=b"/orders/v1/orders/..%2f..%2fadmin"),
        headers=bearer(world.token()),
    )

    assert answer.status_code in {400, 404}
