import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction

from ams.catalog.models import API, ConfigurationVersion, ResourceRegistration
from ams.catalog.queries.spec_of import spec_of_api, spec_of_upstream
from ams.catalog.services.delete_api import delete_api
from ams.catalog.services.delete_upstream import delete_upstream
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.catalog.services.retire_api import retire_api
from ams.catalog.services.save_api import save_api
from ams.catalog.services.save_upstream import save_upstream
from ams.catalog.specs import HealthSpec, OperationSpec, ScopeSpec, TargetSpec
from ams.errors import InUse, InvalidFields
from tests.factories.catalog import api_spec, make_api, upstream_spec

pytestmark = pytest.mark.django_db

WELL_KNOWN = "/.well-known/oauth-protected-resource/orders"


def version():
    row = ConfigurationVersion.objects.filter(pk=1).first()
    return row.version if row else 1


def problems_of(call, **kwargs):
    with pytest.raises(InvalidFields) as caught:
        call(**kwargs)
    return {problem.name: problem.message for problem in caught.value.problems}


def test_saved_api_reads_back_as_it_was_written():
    api = make_api(claims=("email",), tags=("shop",))

    assert spec_of_api(api) == api_spec(claims=("email",), tags=("shop",))


def test_saved_upstream_reads_back_as_it_was_written():
    spec = upstream_spec(
        url="",
        targets=(
            TargetSpec(url="http://10.0.0.2:8080", weight=3),
            TargetSpec(url="http://10.0.0.1:8080/v2"),
        ),
        health=HealthSpec(path="/up?deep=1", interval_seconds=5.0, check_on_save=False),
        eject_after=3,
        ejection_seconds=2.5,
    )

    assert spec_of_upstream(save_upstream(spec=spec)) == spec


def test_health_checks_that_are_taken_away_leave_nothing_behind():
    health = HealthSpec(path="/up", timeout_seconds=9.0, check_on_save=False)
    upstream = save_upstream(spec=upstream_spec(health=health))

    save_upstream(spec=upstream_spec(), upstream_id=upstream.pk)

    upstream.refresh_from_db()
    assert (upstream.health_path, upstream.health_timeout_seconds) == ("", 2.0)


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"url": ""}, "url", "needed"),
        ({"targets": (TargetSpec(url="http://a"),)}, "url", "leave it empty"),
        ({"url": "", "targets": (TargetSpec(url="ftp://a"),)}, "targets[0].url", "https://"),
        (
            {"url": "", "targets": (TargetSpec(url="http://a"), TargetSpec(url="http://a"))},
            "targets[1].url",
            "same",
        ),
        (
            {"url": "", "targets": (TargetSpec(url="http://a", weight=101),)},
            "targets[0].weight",
            "100",
        ),
        (
            {"url": "", "targets": tuple(TargetSpec(url=f"http://a{n}") for n in range(33))},
            "targets",
            "at most 32",
        ),
        ({"health": HealthSpec(path="")}, "health.path", "needed"),
        ({"health": HealthSpec(path="up")}, "health.path", "begins with /"),
        ({"health": HealthSpec(path="/a/%2e%2E/b")}, "health.path", "dot segments"),
        ({"health": HealthSpec(path="/a b")}, "health.path", "spaces"),
        (
            {"health": HealthSpec(path="/a", interval_seconds=1.0, timeout_seconds=2.0)},
            "health.timeout_seconds",
            "interval",
        ),
        ({"health": HealthSpec(path="/a", healthy_after=0)}, "health.healthy_after", "1"),
        ({"health": HealthSpec(path="/a", unhealthy_after=0)}, "health.unhealthy_after", "1"),
        ({"eject_after": -1}, "eject_after", "0"),
        ({"ejection_seconds": float("nan")}, "ejection_seconds", "0.1"),
    ],
)
def test_upstream_that_cannot_work_is_refused(changes, name, words):
    problems = problems_of(save_upstream, spec=upstream_spec(**changes))

    assert words in problems[name]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "api.localhost.",
        "[::1]",
        "10.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "100.64.0.1",
        "[fd00::1]",
    ],
)
def test_internal_address_needs_to_be_allowed(host, settings):
    spec = upstream_spec(url=f"http://{host}", allow_internal=False)

    assert "allow_internal" in problems_of(save_upstream, spec=spec)["url"]

    settings.UPSTREAMS_ALLOW_INTERNAL = True
    save_upstream(spec=spec)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "[fd00:ec2::254]", "[::ffff:127.0.0.1]"]
)
def test_metadata_address_is_never_an_upstream(host):
    problems = problems_of(save_upstream, spec=upstream_spec(url=f"http://{host}"))

    assert "never" in problems["url"]


def test_empty_resource_becomes_the_public_address():
    assert make_api().resource == f"{settings.GATEWAY_URL}/orders/v1"


@pytest.mark.parametrize("change", [save_api, retire_api, delete_api, save_upstream])
def test_each_change_raises_the_configuration_version(change):
    api = make_api()
    before = version()
    arguments = {
        save_api: {"spec": api_spec(name="New"), "api_id": api.pk},
        save_upstream: {"spec": upstream_spec(), "upstream_id": api.upstream_id},
    }

    change(**arguments.get(change, {"api_id": api.pk}))

    assert version() == before + 1


def test_refused_change_leaves_the_version_alone():
    before = version()

    problems_of(save_upstream, spec=upstream_spec(url="ftp://x"))

    assert version() == before


def test_all_problems_are_named_at_once():
    save_upstream(spec=upstream_spec())
    spec = api_spec(
        slug="Orders API",
        base_path="orders/",
        operations=(
            OperationSpec(operation_id="a", method="FETCH", path="orders", scopes=("missing",)),
            OperationSpec(operation_id="b", method="GET", path="/o/{id}"),
            OperationSpec(operation_id="b", method="GET", path="/o/{other}"),
        ),
    )

    problems = problems_of(save_api, spec=spec)

    assert set(problems) == {
        "slug",
        "base_path",
        "operations[0].method",
        "operations[0].path",
        "operations[0].scopes[0]",
        "operations[2].operation_id",
        "operations[2].path",
    }
    assert "operations[1].path" in problems["operations[2].path"]


@pytest.mark.parametrize(
    "path",
    ["/a//b", "/a/../b", "/a/{x}.json", "/{rest*}/b", "/{a}/{a}", "/a%2Fb", "/a b", "/{}", "a"],
)
def test_path_template_that_cannot_be_routed_is_refused(path):
    operations = (OperationSpec(operation_id="a", method="GET", path=path),)
    save_upstream(spec=upstream_spec())

    assert "operations[0].path" in problems_of(save_api, spec=api_spec(operations=operations))


@pytest.mark.parametrize("path", ["/", "/a/", "/a/{x}/b", "/files/{rest*}", "/a.b/c:run"])
def test_path_template_that_can_be_routed_is_kept(path):
    operations = (OperationSpec(operation_id="a", method="*", path=path),)

    assert make_api(operations=operations).operations.get().path == path


@pytest.mark.parametrize(
    "base_path",
    [
        "/",
        "/a/",
        "/a//b",
        "/a/../b",
        "/-/x",
        "",
        "/a b",
        "/a%20b",
        "a",
        f"/{'x' * 128}",
        WELL_KNOWN,
    ],
)
def test_base_path_of_another_shape_is_refused(base_path):
    save_upstream(spec=upstream_spec())

    assert "base_path" in problems_of(save_api, spec=api_spec(base_path=base_path))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host",
        "http://",
        "http://user:pw@host",
        "http://host?x=1",
        "http://host/#f",
        "http://host:99999",
        "http://host/a/../b",
        "http://ho st",
        "javascript:alert(1)",
    ],
)
def test_upstream_url_that_cannot_be_forwarded_to_is_refused(url):
    assert "url" in problems_of(save_upstream, spec=upstream_spec(url=url))


@pytest.mark.parametrize(
    "url",
    [
        "docs",
        "ftp://docs.example",
        "javascript:alert(1)",
        "https://u@docs.example/",
        'https://d/"x',
    ],
)
def test_documentation_that_is_no_web_page_is_refused(url):
    save_upstream(spec=upstream_spec())

    assert "documentation_url" in problems_of(save_api, spec=api_spec(documentation_url=url))


def test_certificates_that_are_none_are_refused():
    spec = upstream_spec(url="https://host", ca_pem="-----BEGIN CERTIFICATE-----\nAA\n")

    assert "ca_pem" in problems_of(save_upstream, spec=spec)


@pytest.mark.parametrize("name", ["connect_timeout_seconds", "idle_timeout_seconds"])
@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_timeout_that_is_no_time_is_refused(name, seconds):
    assert name in problems_of(save_upstream, spec=upstream_spec(**{name: seconds}))


def test_no_total_limit_is_possible_and_another_must_be_a_time():
    save_upstream(spec=upstream_spec(total_timeout_seconds=0))

    for seconds in (-1, float("nan"), float("inf")):
        problems = problems_of(save_upstream, spec=upstream_spec(total_timeout_seconds=seconds))
        assert "total_timeout_seconds" in problems


@pytest.mark.parametrize(
    "origin", ["app.example", "https://app.example/", "https://App.example", "null", "*", ""]
)
def test_websocket_origin_that_no_browser_sends_is_refused(origin):
    save_upstream(spec=upstream_spec())
    spec = api_spec(allow_websocket=True, websocket_origins=("https://ok.example", origin))

    assert "websocket_origins[1]" in problems_of(save_api, spec=spec)


def test_origins_without_websockets_and_an_idle_time_that_is_none_are_refused():
    save_upstream(spec=upstream_spec())
    spec = api_spec(websocket_origins=("https://ok.example",), websocket_idle_seconds=0)

    problems = problems_of(save_api, spec=spec)

    assert {"websocket_origins", "websocket_idle_seconds"} <= set(problems)


def test_two_apis_cannot_share_an_address():
    make_api()

    problems = problems_of(save_api, spec=api_spec(slug="other"))

    assert set(problems) == {"base_path", "resource"}
    assert "orders" in problems["base_path"]


@pytest.mark.parametrize("path", ["/control", "/api", "/oauth/protected-resources", ""])
def test_api_cannot_take_over_a_resource_of_the_platform(path):
    save_upstream(spec=upstream_spec())

    assert "resource" in problems_of(save_api, spec=api_spec(resource=settings.ISSUER + path))


@pytest.mark.parametrize("name", ["openid", "offline_access", "with space", ""])
def test_scope_that_is_not_the_apis_to_define_is_refused(name):
    save_upstream(spec=upstream_spec())
    spec = api_spec(scopes=(ScopeSpec(name=name),), operations=())

    assert "scopes[0].name" in problems_of(save_api, spec=spec)


def test_upstream_in_use_stays():
    api = make_api()

    with pytest.raises(InUse, match="orders"):
        delete_upstream(upstream_id=api.upstream_id)


def test_upstream_out_of_use_goes():
    upstream = save_upstream(spec=upstream_spec())

    delete_upstream(upstream_id=upstream.pk)

    assert not API.objects.exists()


def test_registration_holds_what_the_token_service_needs():
    make_api(
        claims=("email",),
        summary="Orders\nof the shop",
        documentation_url="https://docs.example/orders",
    )

    row = ResourceRegistration.objects.get()

    assert row.document == {
        "resource": f"{settings.GATEWAY_URL}/orders/v1",
        "resource_name": "Orders",
        "description": "Orders of the shop",
        "documentation_url": "https://docs.example/orders",
        "scopes": [{"name": "orders:read", "description": "Read orders"}],
        "claims": ["email"],
        "introspection_clients": ["tollgate-gateway"],
    }


@pytest.mark.parametrize("remove", [retire_api, delete_api])
def test_api_out_of_service_is_withdrawn(remove):
    api = make_api()

    remove(api_id=api.pk)

    assert ResourceRegistration.objects.get().document is None


def test_moved_api_withdraws_its_former_resource():
    api = make_api()

    save_api(spec=api_spec(base_path="/orders/v2"), api_id=api.pk)

    rows = {row.resource: row.document for row in ResourceRegistration.objects.all()}
    assert rows[f"{settings.GATEWAY_URL}/orders/v1"] is None
    assert rows[f"{settings.GATEWAY_URL}/orders/v2"]["resource_name"] == "Orders"


def test_draft_is_no_resource():
    make_api(state="draft")

    assert not ResourceRegistration.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_listeners_hear_of_a_version_when_it_commits():
    parameters = connection.get_connection_params()
    names = ("host", "port", "dbname", "user", "password")
    given = {name: parameters[name] for name in names if parameters.get(name)}
    with psycopg.connect(**given, autocommit=True) as listener:
        listener.execute("LISTEN tollgate_configuration")
        with transaction.atomic():
            new = raise_configuration_version()
            assert not list(listener.notifies(timeout=0.2))
        heard = list(listener.notifies(timeout=5, stop_after=1))
    assert [note.payload for note in heard] == [str(new)]


@pytest.mark.django_db(transaction=True)
def test_version_is_not_raised_outside_a_transaction():
    with pytest.raises(transaction.TransactionManagementError):
        raise_configuration_version()
