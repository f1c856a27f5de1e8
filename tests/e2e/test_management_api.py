"""The management API with real tokens: what it changes, the gateway enforces."""

import secrets
import time

import httpx
import pytest

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def operator(stack):
    """An HTTP client whose token may manage."""
    credentials = stack.ask("new_management_client", f"test-{secrets.token_hex(4)}")
    token = stack.token(scope="manage", client=credentials, resource=f"{stack.issuer}/api")
    with httpx.Client(
        base_url=f"{stack.issuer}/api/v1",
        headers={"Authorization": f"Bearer {token}"},
        timeout=15,
    ) as client:
        yield client


def test_catalog_is_listed(operator):
    answer = operator.get("/apis")

    assert answer.status_code == 200, answer.text
    assert "orders" in [api["slug"] for api in answer.json()["results"]]


def test_token_of_a_developers_application_is_refused(stack):
    answer = httpx.get(
        f"{stack.issuer}/api/v1/apis", headers={"Authorization": f"Bearer {stack.token()}"}
    )

    assert answer.status_code in {401, 403}
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_changed_scope_is_enforced_within_a_second(stack, operator):
    api = stack.new_api(upstream_url=stack.demo_url)
    token = api.token()
    path = f"{api.base_path}/healthz"
    assert stack.call("GET", path, token=token).status_code != 403

    document = operator.get(f"/apis/{api.slug}").json()
    document["scopes"].append({"name": f"{api.slug}:more", "description": "More"})
    document["operations"][0]["scopes"].append(f"{api.slug}:more")
    answer = operator.put(f"/apis/{api.slug}", json=document)
    assert answer.status_code == 200, answer.text
    time.sleep(1)

    answers = {stack.call("GET", path, token=token).status_code for _ in range(10)}
    assert answers == {403}


def test_bad_document_names_the_member(operator):
    answer = operator.post("/upstreams", json={"slug": "broken", "url": "ftp://nowhere"})

    assert answer.status_code == 422
    assert "url" in answer.text
