"""What stays the same object from one version to the next, and what does not."""

from dataclasses import replace

import pytest

from gateway.dataplane.allowances import Allowances
from gateway.dataplane.configuration import Parts, make_configuration
from gateway.dataplane.decision import decide
from gateway.dataplane.errors import NotFound, NotSubscribed
from gateway.dataplane.phantom_token import PhantomToken
from gateway.dataplane.upstreams import Upstreams
from gateway.slices import run_through
from gateway.snapshot_tables import Tables, read_tables
from tests.unit.gateway.harness import ClosedOffice
from tests.unit.gateway.snapshots import (
    change_between,
    make_snapshot,
    with_api,
    with_subscriptions,
)
from wire.gateway_snapshot import Operation, Subscription
from wire.snapshot_document import MalformedSnapshot


class Gateway:
    """Follows snapshots as a worker does, and decides for one token of client-0."""

    def __init__(self) -> None:
        self.parts = Parts(Upstreams(), Allowances(ClosedOffice()), "https://issuer.test")
        self.tables = Tables()
        self.configuration = None
        self.token = PhantomToken(
            authorization=b"Bearer x",
            client_id="client-0",
            subject="client-0",
            scopes=frozenset({"read"}),
            obtained_at=0.0,
            expires_at=1e9,
        )

    def load(self, document: bytes) -> None:
        tables = run_through(read_tables(document, self.tables))
        self.configuration = run_through(make_configuration(tables, self.configuration, self.parts))
        self.tables = tables

    def route(self, path: bytes = b"/api-0/things/7"):
        return self.configuration.router.match("GET", path)

    def decide(self):
        return decide(self.configuration, self.route(), self.token)


@pytest.fixture
async def gateway():
    running = Gateway()
    yield running
    await running.parts.upstreams.close()


async def test_a_change_elsewhere_leaves_route_client_and_decision(gateway):
    first = make_snapshot(1)
    gateway.load(first.encode())
    route, decision = gateway.route(), gateway.decide()

    second = with_api(first, 1, name="New")
    gateway.load(change_between(first, second))
    third = with_subscriptions(second, *second.subscriptions[:2])
    gateway.load(change_between(second, third))

    assert gateway.configuration.version == 3
    assert gateway.route() is route
    assert gateway.decide() is decision


async def test_a_changed_api_is_decided_anew_and_nothing_of_the_old_one_is_held(gateway):
    first = make_snapshot(1)
    gateway.load(first.encode())
    route, decision = gateway.route(), gateway.decide()

    gateway.load(change_between(first, with_api(first, 0, max_body_bytes=1)))

    assert gateway.route() is not route
    assert gateway.route().api.max_body_bytes == 1
    assert gateway.decide() is not decision
    assert set(gateway.token.decisions) == {gateway.route()}


async def test_another_upstream_is_another_client(gateway):
    first = make_snapshot(1)
    gateway.load(first.encode())
    decision = gateway.decide()
    upstreams = (replace(first.upstreams[0], url="http://127.0.0.1:9999"), first.upstreams[1])

    gateway.load(change_between(first, replace(first, version=2, upstreams=upstreams)))

    assert gateway.decide().client is not decision.client


async def test_a_subscription_that_ends_ends_the_decision(gateway):
    first = make_snapshot(1)
    gateway.load(first.encode())
    gateway.decide()

    gateway.load(change_between(first, with_subscriptions(first, *first.subscriptions[1:])))

    with pytest.raises(NotSubscribed):
        gateway.decide()


async def test_the_older_of_two_subscriptions_counts_whatever_came_first(gateway):
    first = with_subscriptions(make_snapshot(1), Subscription("sub-5", "client-0", "plan-0"))
    gateway.load(first.encode())
    assert gateway.decide().entitlement.subscription.id == "sub-5"

    older = Subscription("sub-2", "client-0", "plan-0")
    gateway.load(change_between(first, with_subscriptions(first, *first.subscriptions, older)))

    assert gateway.decide().entitlement.subscription.id == "sub-2"


async def test_what_cannot_be_routed_leaves_everything_as_it_was(gateway):
    first = make_snapshot(1)
    gateway.load(first.encode())
    before = gateway.configuration
    bad = with_api(first, 1, operations=(Operation("o", "GET", "/{rest*}/more"),))

    with pytest.raises(MalformedSnapshot, match="rest"):
        gateway.load(change_between(first, bad))

    assert gateway.configuration is before
    gateway.decide()


async def test_apis_below_one_another_are_routed_together_and_apart(gateway):
    first = make_snapshot(1, apis=3)
    nested = with_api(first, 1, base_path="/api-0/admin")
    gateway.load(first.encode())
    alone = gateway.route(b"/api-2/things/7")

    gateway.load(change_between(first, nested))

    assert gateway.route(b"/api-0/admin/things/7").api.id == "api-1"
    assert gateway.route(b"/api-0/things/7").api.id == "api-0"
    assert gateway.route(b"/api-2/things/7") is alone
    with pytest.raises(NotFound):
        gateway.route(b"/api-1/things/7")
