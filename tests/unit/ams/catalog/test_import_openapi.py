import json

import pytest

from ams.catalog.models import API, ConfigurationVersion
from ams.catalog.services.import_openapi import import_openapi
from ams.catalog.services.save_upstream import save_upstream
from ams.errors import InvalidDocument, InvalidFields
from tests.factories.catalog import make_api, upstream_spec

pytestmark = pytest.mark.django_db

DOCUMENT = """\
openapi: 3.1.0
info:
  title: Order Service
  version: 1.0.2
  summary: Orders of the shop
servers:
  - url: https://example.com/orders/v1
security:
  - oauth: [orders:read]
paths:
  /orders:
    get:
      operationId: list_orders
      summary: List orders
      responses:
        200: {description: ok}
    post:
      operationId: create order!
      security:
        - oauth: [orders:write]
  /orders/{order_id}:
    $ref: '#/components/pathItems/order'
  /health:
    get:
      security: []
components:
  pathItems:
    order:
      get: {operationId: get_order}
  securitySchemes:
    oauth:
      type: oauth2
      flows:
        clientCredentials:
          tokenUrl: https://example.com/token
          scopes:
            orders:read: Read orders
            orders:write: Write orders
"""


@pytest.fixture
def _upstream():
    save_upstream(spec=upstream_spec())


def run(text, **kwargs):
    return import_openapi(text=text, source="orders.yaml", **({"upstream": "orders"} | kwargs))


@pytest.mark.usefixtures("_upstream")
def test_document_becomes_an_api_with_operations_and_scopes():
    api = run(DOCUMENT).api

    assert (api.slug, api.name, api.version) == ("order-service", "Order Service", "1.0.2")
    assert (api.base_path, api.summary) == ("/orders/v1", "Orders of the shop")
    assert {row.name: row.description for row in api.scopes.all()} == {
        "orders:read": "Read orders",
        "orders:write": "Write orders",
    }
    rows = {row.operation_id: (row.method, row.path, row.scopes) for row in api.operations.all()}
    assert rows == {
        "list_orders": ("GET", "/orders", ["orders:read"]),
        "create_order": ("POST", "/orders", ["orders:write"]),
        "get_order": ("GET", "/orders/{order_id}", ["orders:read"]),
        "get_health": ("GET", "/health", []),
    }
    assert api.openapi["paths"]["/orders"]["get"]["responses"]["200"] == {"description": "ok"}


@pytest.mark.usefixtures("_upstream")
@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_is_read_too(indent):
    document = {"openapi": "3.0.3", "info": {"title": "A"}, "paths": {"/a": {"get": {}}}}

    assert run(json.dumps(document, indent=indent)).api.operations.get().path == "/a"


def test_second_import_changes_the_same_api_and_keeps_its_address():
    make_api(claims=("email",))

    api = run(DOCUMENT, slug="orders", upstream="").api

    assert API.objects.get() == api
    assert (api.base_path, api.claims, api.operations.count()) == ("/orders/v1", ["email"], 4)


def test_import_raises_the_version():
    before = ConfigurationVersion.objects.filter(pk=1).first()
    save_upstream(spec=upstream_spec())
    run(DOCUMENT)

    assert ConfigurationVersion.objects.get().version == (before.version if before else 1) + 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("openapi: 3.1.0\ninfo:\n  title: [A\npaths: {}\n", "orders.yaml:4:"),
        ("openapi: 3.1.0\ninfo: text\n", "orders.yaml:2:7"),
        ("openapi: 3.1.0\npaths:\n  /a: 5\n", "orders.yaml:3:7"),
        ("swagger: '2.0'\n", "orders.yaml:1:1"),
        ("openapi: 3.1.0\nopenapi: 3.1.0\n", "orders.yaml:2:1"),
        ("openapi: 3.1.0\ninfo: {<<: {}}\n", "orders.yaml:2:8"),
        ("openapi: 3.1.0\ninfo: !!python/name:os.system {}\n", "orders.yaml:2:7"),
        ("- a\n", "orders.yaml:1:1"),
        ("", "orders.yaml"),
        ('{"openapi": "3.1.0",\n "paths": {"/a": }x', "orders.yaml:2:"),
    ],
)
def test_malformed_document_is_refused_with_its_line(text, line):
    with pytest.raises(InvalidDocument) as caught:
        run(text)

    assert str(caught.value).startswith(line)


@pytest.mark.parametrize("reference", ["other.yaml#/x", "https://evil.example/x", "file:///etc"])
def test_reference_out_of_the_document_is_refused_not_fetched(reference):
    text = f"openapi: 3.1.0\npaths:\n  /a:\n    $ref: '{reference}'\n"

    with pytest.raises(InvalidDocument, match=r"orders.yaml:4:11.*nothing is fetched"):
        run(text)


def test_reference_that_leads_in_circles_is_refused():
    text = "openapi: 3.1.0\npaths:\n  /a: {$ref: '#/paths/~1a'}\n"

    with pytest.raises(InvalidDocument, match="on and on"):
        run(text)


@pytest.mark.parametrize(
    "text",
    [
        "openapi: " + "[" * 5000 + "]" * 5000,
        "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
        + "".join(
            f"{n}: &{n} [{', '.join(['*' + p] * 10)}]\n"
            for p, n in zip("abcdef", "bcdefg", strict=True)
        ),
        "a: &a [*a]\n",
        "x" * 2_000_001,
    ],
    ids=["deep", "aliases", "recursive", "long"],
)
def test_document_made_to_exhaust_is_refused(text):
    with pytest.raises(InvalidDocument):
        run(text)


@pytest.mark.usefixtures("_upstream")
def test_what_is_left_out_is_listed():
    text = """\
openapi: 3.0.0
info: {title: A}
paths:
  /a:
    trace: {}
    get:
      security: [{oidc: [openid, other]}, {key: []}]
  /a.{format}: {get: {}}
components:
  securitySchemes:
    key: {type: apiKey}
    oidc: {type: openIdConnect}
"""

    imported = run(text)

    assert imported.api.operations.get().scopes == ["other"]
    joined = "\n".join(imported.warnings)
    for part in ("orders.yaml:5:12", "trace", "apiKey", "alternative", "'other'", "/a.{format}"):
        assert part in joined


@pytest.mark.usefixtures("_upstream")
def test_document_that_makes_no_usable_api_names_the_fields():
    with pytest.raises(InvalidFields, match="base_path"):
        run("openapi: 3.0.0\ninfo: {title: A}\nservers: [{url: 'https://a.example/%20'}]\n")
