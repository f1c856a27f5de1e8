"""A worker under load gets a thousand configurations, and no call notices."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.unit.gateway.fake_authority import AuthorityServer, eventually
from tests.unit.gateway.gateway_process import ROOT, Echo, Gateway, make_certificate, make_snapshot
from wire.bearer import Prefix, mint
from wire.gateway_snapshot import API, GatewaySnapshot, Operation, Subscription

RELOADS = 1000
STRANGER = Subscription("sub-9", "client-9", "plan")
OTHER = API(
    "other", "other", "Other", "/other", "https://other", "up", (Operation("o", "*", "/o"),)
)


@pytest.fixture
def authority():
    server = AuthorityServer()
    yield server
    server.close()


@pytest.fixture
def echo():
    upstream = Echo()
    yield upstream
    upstream.close()


@pytest.fixture
def gateway(authority, echo, tmp_path):
    make_certificate(tmp_path / "tls")
    authority.publish(make_snapshot(2, echo.url))
    running = Gateway(tmp_path, authority.url, TOLLGATE_GATEWAY_WORKERS="1").start()
    yield running
    assert running.stop() == 0


def change(snapshot: GatewaySnapshot, turn: int) -> GatewaySnapshot:
    """The next version; what is called is touched in three of five turns."""
    (api, *others), (upstream,), (plan,) = snapshot.apis, snapshot.upstreams, snapshot.plans
    (mine, *strangers) = snapshot.subscriptions
    match turn % 5:
        case 0:
            members = {"subscriptions": (mine,) if strangers else (mine, STRANGER)}
        case 1:
            members = {"apis": (replace(api, max_body_bytes=10_000 + turn), *others)}
        case 2:  # another client, with connections of its own
            members = {"upstreams": (replace(upstream, idle_timeout_seconds=20 + turn % 7),)}
        case 3:
            members = {"plans": (replace(plan, name=f"Plan {turn}"),)}
        case _:
            members = {"apis": (api,) if others else (api, OTHER)}
    return replace(snapshot, version=snapshot.version + 1, **members)


def test_no_call_fails_while_a_thousand_configurations_come(gateway, authority):
    token = mint(Prefix.ACCESS_TOKEN)
    authority.live[token] = {}
    call = [str(gateway.port), str(gateway.home / "tls" / "gateway.pem"), "/orders/v1/orders/1"]
    client = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.gateway.steady_client", *call, token],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    loads = gateway.metric("snapshot_loads_total")

    for turn in range(RELOADS):
        authority.falsifies_change = turn % 100 == 50  # then the worker asks for everything
        authority.publish(change(authority.snapshot, turn))
        assert authority.wait_until_held(authority.snapshot.version), gateway.log.read_text()
    output, _ = client.communicate(timeout=20)

    tally = json.loads(output)
    assert set(tally) == {"200"}
    assert tally["200"] > 500  # the load was one
    assert gateway.metric("snapshot_loads_total") - loads == RELOADS
    assert gateway.metric("snapshot_rejections_total") == RELOADS / 100
    kept = json.loads((gateway.home / "gateway" / "snapshot.json").read_bytes())["version"]
    changes = list((gateway.home / "gateway" / "snapshot-changes").iterdir())
    assert authority.snapshot.version - kept == len(changes) <= 65


def test_what_is_refused_leaves_the_last_good_one_and_the_disk_has_it_too(gateway, authority):
    token = mint(Prefix.ACCESS_TOKEN)
    authority.live[token] = {}
    good = change(authority.snapshot, 1)
    authority.publish(good)
    assert authority.wait_until_held(good.version)
    bad = replace(good.apis[0], operations=(Operation("o", "GET", "/{rest*}/more"),))

    authority.publish(replace(good, version=good.version + 1, apis=(bad,)))

    told = "/{rest*}/more: {rest*} must be the last segment"
    assert eventually(lambda: told in gateway.log.read_text())
    assert gateway.metric("snapshot_rejections_total") >= 1
    assert 'alert{alert="snapshot_refused"} 1' in gateway.admin("/-/metrics")[1]
    assert gateway.metric("snapshot_version") == good.version
    assert gateway.get("/orders/v1/orders/42", token)[0] == 200

    assert gateway.stop() == 0
    authority.snapshot_body = b"nonsense"  # the control plane is of no use
    gateway.start()
    assert gateway.metric("snapshot_version") == good.version
    assert gateway.get("/orders/v1/orders/42", token)[0] == 200
