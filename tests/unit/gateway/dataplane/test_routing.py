"""Paths to operations."""

import pytest

from gateway.dataplane.errors import BadRequest, MethodNotAllowed, NotFound
from gateway.dataplane.routing import BadTemplate, Router
from wire.gateway_snapshot import API, Operation


def make_router(*paths: str, base_path: str = "/shop", method: str = "GET") -> Router:
    operations = tuple(Operation(path, method, path) for path in paths)
    return Router([API("a", "shop", "Shop", base_path, "https://r", "u", operations)])


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        (b"/shop/items", "/items"),
        (b"/shop/items/7", "/items/{id}"),
        (b"/shop/items/search", "/items/search"),
        (b"/shop/items/search/tags", "/items/{id}/tags"),
        (b"/shop/items/7/tags", "/items/{id}/tags"),
        (b"/shop/report.csv", "/report.{format}"),
        (b"/shop/7:cancel", "/{id}:cancel"),
        (b"/shop/7", "/{id}"),
        (b"/shop/files/a/b/c", "/files/{rest*}"),
        (b"/shop/files/", "/files/{rest*}"),
        (b"/shop/a%20b", "/a b"),
    ],
)
def test_the_most_concrete_operation_wins(path, operation):
    router = make_router(
        "/items",
        "/items/{id}",
        "/items/search",
        "/items/{id}/tags",
        "/report.{format}",
        "/{id}:cancel",
        "/{id}",
        "/files/{rest*}",
        "/a b",
    )

    assert router.match("GET", path).operation.id == operation


@pytest.mark.parametrize(
    "path", [b"/shop/items/", b"/shop/items/7/", b"/shop", b"/shop/", b"/SHOP/items"]
)
def test_near_misses_are_not_found(path):
    with pytest.raises(NotFound):
        make_router("/items", "/items/{id}").match("GET", path)


@pytest.mark.parametrize(
    "path",
    [
        b"/shop/%61dmin",
        b"/shop/admin%3B",
        b"/shop/admin;x=1",
        b"/shop/admin%3bx",
        b"/shop/a%64min",
    ],
)
def test_an_encoding_cannot_hide_a_literal_behind_a_template(path):
    with pytest.raises(BadRequest):
        make_router("/admin", "/{name}").match("GET", path)


def test_an_encoding_cannot_reach_an_operation_that_is_spelled_otherwise():
    with pytest.raises(BadRequest):
        make_router("/admin").match("GET", b"/shop/%61dmin")


@pytest.mark.parametrize("path", [b"/shop/%7Ejoe", b"/shop/a%20b", b"/shop/x;v=1", b"/shop/%2561"])
def test_harmless_encodings_match_templates(path):
    assert make_router("/admin", "/{name}").match("GET", path).operation.id == "/{name}"


def test_apis_may_share_the_beginning_of_a_base_path():
    apis = [
        API(name, name, name, base, "r", "u", (Operation(name, "GET", "/{x}"),))
        for name, base in (("v1", "/shop/v1"), ("v2", "/shop/v2"), ("deep", "/shop/v1/admin"))
    ]
    router = Router(apis)

    assert router.match("GET", b"/shop/v1/a").api.id == "v1"
    assert router.match("GET", b"/shop/v2/a").api.id == "v2"
    assert router.match("GET", b"/shop/v1/admin/a").api.id == "deep"
    assert router.match("GET", b"/shop/v1/admin").api.id == "v1"


def test_a_wrong_method_names_the_right_ones():
    with pytest.raises(MethodNotAllowed) as caught:
        make_router("/items", method="POST").match("GET", b"/shop/items")

    assert caught.value.allow == "OPTIONS, POST"


def test_a_literal_path_without_the_method_does_not_fall_back_to_a_template():
    router = Router(
        [
            API(
                "a",
                "a",
                "a",
                "/shop",
                "r",
                "u",
                (Operation("get", "GET", "/{id}"), Operation("search", "POST", "/search")),
            )
        ]
    )

    with pytest.raises(MethodNotAllowed):
        router.match("GET", b"/shop/search")


@pytest.mark.parametrize("path", ["items", "/{a*}/b", "/a{b", "/a}b"])
def test_a_template_that_means_nothing_is_refused(path):
    with pytest.raises(BadTemplate):
        make_router(path)


def test_two_operations_at_one_place_are_refused():
    with pytest.raises(BadTemplate):
        make_router("/{a}", "/{b}")


def test_a_very_deep_path_is_not_found():
    with pytest.raises(NotFound):
        make_router("/{rest*}").match("GET", b"/shop" + b"/a" * 100)
