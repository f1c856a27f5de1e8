import re
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from ams.catalog.models import API, ConfigurationVersion, Upstream
from ams.documents.apply_document import apply_document
from ams.documents.difference import describe_changes
from ams.documents.export_document import _Dumper, export_document
from ams.documents.substitution import escape, substitute
from ams.errors import InvalidDocument
from ams.marked_yaml import parse_marked
from ams.plans.models import Plan, Product
from ams.subscriptions.models import Subscription

pytestmark = pytest.mark.django_db

DEMO = Path("demo/tollgate.yaml")


def run(text, *, environment=None, folder=Path(), **kwargs):
    return apply_document(
        text=text, source="t.yaml", folder=folder, environment=environment or {}, **kwargs
    )


def refusal(text, **kwargs):
    with pytest.raises(InvalidDocument) as caught:
        run(text, **kwargs)
    return str(caught.value)


def test_demo_is_applied_once_and_then_changes_nothing():
    first = run(DEMO.read_text())
    version = ConfigurationVersion.objects.get().version

    assert {change.verb for change in first} == {"create"}
    assert len(first) == 6
    assert run(DEMO.read_text()) == ()
    assert ConfigurationVersion.objects.get().version == version
    assert [plan.slug for plan in Plan.objects.order_by("position")] == ["free", "growth", "scale"]


def test_export_applied_again_shows_no_change():
    run(DEMO.read_text() + SUBSCRIPTION)

    assert run(export_document(), dry_run=True, prune=True) == ()


def test_export_applied_elsewhere_makes_the_same():
    run(DEMO.read_text() + SUBSCRIPTION)
    exported = export_document()
    Subscription.objects.all().delete()
    Product.objects.all().delete()
    API.objects.all().delete()
    Upstream.objects.all().delete()

    run(exported)

    assert export_document() == exported


SOCKETS = """
upstreams:
  - {slug: feeds, url: http://h:81, total_timeout_seconds: 90}
apis:
  - slug: feeds
    name: Feeds
    base_path: /feeds/v1
    upstream: feeds
    allow_websocket: true
    websocket_origins: [https://app.example]
    websocket_idle_seconds: 60
"""


def test_websockets_and_the_total_limit_are_applied_and_exported():
    run(SOCKETS)

    api, upstream = API.objects.get(slug="feeds"), Upstream.objects.get(slug="feeds")
    assert (api.allow_websocket, api.websocket_idle_seconds) == (True, 60.0)
    assert api.websocket_origins == ["https://app.example"]
    assert upstream.total_timeout_seconds == 90.0
    exported = yaml.safe_load(export_document())
    assert exported["upstreams"][0]["total_timeout_seconds"] == 90.0
    assert exported["apis"][0]["websocket_origins"] == ["https://app.example"]
    assert run(SOCKETS) == ()


SUBSCRIPTION = """
subscriptions:
  - client_id: client-1
    application_name: 'Price: ${not a variable}'
    product: orders
    plan: growth
    status: suspended
    activated_at: 2026-10-01T00:00:00Z
    subscriber: {subject: person-1, email: a@example.com}
""".replace("${", "$${")


def test_dry_run_shows_the_difference_and_changes_nothing():
    run(DEMO.read_text())
    version = ConfigurationVersion.objects.get().version
    text = (
        DEMO.read_text().replace("calls: 1000,", "calls: 2000,").replace("name: Scale", "name: XL")
    )

    changes = run(text, dry_run=True)

    shown = describe_changes(changes)
    assert "~ change plans/orders/free\n    quotas[0].calls: 1000 -> 2000" in shown
    assert "    name: 'Scale' -> 'XL'" in shown
    assert shown.endswith("2 to change.")
    assert Plan.objects.get(slug="free").quotas.get().calls == 1000
    assert ConfigurationVersion.objects.get().version == version


def test_document_is_applied_whole_or_not_at_all():
    text = DEMO.read_text().replace("kind: graduated", "kind: flat_fee")

    message = refusal(text)

    assert "plans[2].components[1].amount_minor: a flat_fee component needs it." in message
    assert not Upstream.objects.exists()


@pytest.mark.parametrize(
    ("line", "where", "words"),
    [
        ("rate_limits: [{calls: 0}]", "plans[0].rate_limits[0].calls", "a number from 1"),
        ("rate_limits: [{calls: 1, per: all}]", "plans[0].rate_limits[0].per", "address"),
        ("rate_limits: [{calls: 1, operations: [get_ordr]}]",
         "plans[0].rate_limits[0].operations[0]", "Did you mean 'get_order'?"),
        ("rate_limit: {calls: 0}", "plans[0].rate_limits[0].calls", "a number from 1"),
        ("quotas: [{calls: 9, period: day}, {name: m, calls: 5}]", "plans[0].quotas[0].calls",
         "can never be reached"),
        ("quotas: [{calls: 5, overage: throttle}]", "plans[0].quotas[0].throttle", "needed"),
    ],
)  # fmt: skip
def test_impossible_limit_is_refused_at_its_place(line, where, words):
    message = refusal(
        DEMO.read_text().split("plans:")[0]
        + f"plans:\n  - {{product: orders, slug: a, name: A, {line}}}\n"
    )

    assert f"{where}: " in message
    assert words in message
    assert re.match(r".+:[0-9]+:[0-9]+: ", message)
    assert not Plan.objects.exists()


def test_earlier_spelling_of_limits_is_exported_as_lists_and_no_change():
    text = DEMO.read_text().split("plans:")[0] + (
        "plans:\n  - {product: orders, slug: a, name: A,"
        " rate_limit: {calls: 10}, quota: {calls: 5}}"
    )
    run(text)

    assert run(text) == ()
    exported = export_document()
    assert "    rate_limits:\n      - calls: 10\n    quotas:\n      - calls: 5\n" in exported
    assert run(exported, dry_run=True) == ()


def test_prune_takes_away_what_the_document_does_not_name():
    run(DEMO.read_text() + SUBSCRIPTION)
    run("upstreams: [{slug: spare, url: 'http://spare'}]")
    free_only = DEMO.read_text().split("  - product: orders\n    slug: growth")[0]

    changes = run(free_only, prune=True)

    shown = {(change.verb, change.section, change.key) for change in changes}
    assert shown == {
        ("delete", "upstreams", "spare"),
        ("delete", "plans", "orders/scale"),
        # It has a subscription, which invoices refer to, and can only be hidden.
        ("change", "plans", "orders/growth"),
    }
    assert not Plan.objects.get(slug="growth").is_published
    assert run(free_only, prune=True) == ()
    assert Subscription.objects.get().status == "suspended"


def test_pruned_subscription_is_cancelled():
    run(DEMO.read_text() + SUBSCRIPTION)

    run("subscriptions: []", prune=True)

    assert Subscription.objects.get().status == "cancelled"


@pytest.mark.parametrize(
    ("text", "where", "words"),
    [
        ("upstreams: {}\n", "t.yaml:1:12", "a list"),
        ("upstream: []\n", "t.yaml:1:11", "Did you mean 'upstreams'?"),
        ("upstreams:\n  - slug: a\n    ulr: http://a\n", "t.yaml:3:10", "Did you mean 'url'?"),
        ("upstreams:\n  - slug: a\n", "t.yaml:2:5", "url: a value is needed"),
        ("upstreams:\n  - slug: a\n    url: ftp://a\n", "t.yaml:3:10", "https://host"),
        ("upstreams:\n  - slug: 5\n    url: http://a\n", "t.yaml:2:11", "text"),
        ("upstreams: [{slug: a, url: a}, {slug: a, url: b}]", "t.yaml:1:32", "the same"),
        ("upstreams:\n  - {slug: a, url: '${NOWHERE}'}", "t.yaml:2:20", "NOWHERE is not set"),
        ("upstreams:\n  - {slug: a, url: '${'}", "t.yaml:2:20", "$${"),
        ("upstreams:\n\t- a\n", "t.yaml:2:1", "tab"),
        ("products: [{slug: a, name: A, apis: [b]}]", "t.yaml:1:38", "no API 'b'"),
        ("5", "t.yaml:1:1", "mapping"),
        ("apis: [{slug: a, openapi: missing.yaml}]", "t.yaml:1:27", "missing.yaml cannot be read"),
    ],
)  # fmt: skip
def test_error_names_file_line_and_column(text, where, words):
    message = refusal(text)

    assert message.startswith(f"{where}: ")
    assert words in message


def test_every_problem_of_a_section_has_its_line():
    text = "upstreams:\n  - {slug: A, url: x}\n  - {slug: b, url: y}\n"

    lines = refusal(text).splitlines()

    assert [line.split(": ")[0] for line in lines] == ["t.yaml:2:12", "t.yaml:2:20", "t.yaml:3:20"]


def test_environment_is_substituted_with_its_type():
    run(
        "upstreams:\n  - slug: a\n    url: http://${HOST}:${PORT:-81}\n"
        "    idle_timeout_seconds: ${IDLE}\n",
        environment={"HOST": "h", "IDLE": "7"},
    )

    upstream = Upstream.objects.get()
    assert (upstream.url, upstream.idle_timeout_seconds) == ("http://h:81", 7.0)


OPENAPI = """\
openapi: 3.0.3
info: {title: Shop, version: '2'}
paths:
  /a: {get: {operationId: get_a, summary: Get A}}
"""


def test_api_takes_its_operations_from_an_openapi_file(tmp_path):
    (tmp_path / "shop.yaml").write_text(OPENAPI)
    text = """\
upstreams: [{slug: shop, url: 'http://shop'}]
apis: [{slug: shop, base_path: /shop, upstream: shop, openapi: shop.yaml, version: '3'}]
"""

    run(text, folder=tmp_path)

    api = API.objects.get()
    assert (api.name, api.version, api.operations.get().operation_id) == ("Shop", "3", "get_a")
    assert run(text, folder=tmp_path) == ()
    assert run(export_document()) == ()


def test_error_in_an_openapi_file_names_both_places(tmp_path):
    (tmp_path / "shop.yaml").write_text("openapi: 3.0.0\npaths: 5\n")
    text = "apis:\n  - {slug: a, base_path: /a, upstream: b, openapi: shop.yaml}"

    message = refusal(text, folder=tmp_path)

    assert "t.yaml:2:52" in message
    assert len(message.splitlines()) == 1
    assert "shop.yaml:2:8" in message


def test_commands_apply_and_export(tmp_path, capsys):
    call_command("apply", file=str(DEMO), dry_run=True)
    assert "+ create upstreams/orders" in capsys.readouterr().out
    assert not Upstream.objects.exists()

    call_command("apply", file=str(DEMO))
    call_command("export", output=str(tmp_path / "out.yaml"))
    call_command("apply", file=str(tmp_path / "out.yaml"), dry_run=True)
    assert capsys.readouterr().out.endswith("No changes.\n")


def test_command_says_what_is_wrong(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("plans: [{}]\n")

    with pytest.raises(CommandError, match=rf"{path}:1:9: plans\[0\]: 'product' is missing"):
        call_command("apply", file=str(path))
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("apply", file=str(tmp_path / "nowhere.yaml"))


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_any_text_survives_escaping(text):
    assert substitute(escape(text), {}) == text


@given(
    st.text(st.sampled_from("0123456789.eE+-_:~noyestrufal \n'\"#{}[]$x"), max_size=8)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
)
def test_any_text_survives_the_export(text):
    written = yaml.dump({"a": text}, Dumper=_Dumper, allow_unicode=True)

    assert parse_marked(written, source="t").data == {"a": text}
