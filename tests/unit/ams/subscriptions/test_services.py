from datetime import UTC, datetime

import pytest

from ams import api
from ams.catalog.models import ConfigurationVersion
from ams.data import SubscriberRef
from ams.errors import AlreadySubscribed, InvalidFields, InvalidTransition, NotFound
from ams.plans.services.save_plan import save_plan
from ams.subscriptions.models import Subscriber, Subscription
from ams.subscriptions.services.approve_subscription import approve_subscription
from ams.subscriptions.services.resume_subscription import resume_subscription
from ams.subscriptions.services.suspend_subscription import suspend_subscription
from tests.factories.catalog import make_plan, paid_component, plan_spec

pytestmark = pytest.mark.django_db

ADA = SubscriberRef("ada", "ada@example.com", "Ada")
BOB = SubscriberRef("bob")


def subscribe(plan, subscriber=ADA, client_id="c1", **kwargs):
    return api.subscribe_to_plan(
        subscriber=subscriber,
        client_id=client_id,
        application_name="App",
        plan_id=plan.pk,
        **kwargs,
    )


def test_free_plan_is_approved_at_once():
    subscription = subscribe(make_plan())

    assert subscription.status == "active"
    assert subscription.activated_at is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"requires_approval": True},
        {"components": (paid_component(),)},
        {"components": (paid_component(kind="flat_fee", unit_price=None, amount_minor=1),)},
    ],
)
def test_plan_that_costs_or_asks_waits_for_an_administrator(changes):
    subscription = subscribe(make_plan(**changes))

    assert (subscription.status, subscription.activated_at) == ("pending", None)


def test_component_without_money_leaves_a_plan_free():
    component = paid_component(kind="flat_fee", unit_price=None, amount_minor=0)

    assert subscribe(make_plan(components=(component,))).status == "active"


def test_import_is_active_since_the_given_time():
    since = datetime(2026, 10, 1, tzinfo=UTC)

    subscription = subscribe(make_plan(requires_approval=True), activated_at=since)

    assert (subscription.status, subscription.activated_at) == ("active", since)


def test_second_open_subscription_to_a_plan_is_refused():
    plan = make_plan()
    subscribe(plan)

    with pytest.raises(AlreadySubscribed):
        subscribe(plan)


def test_ended_subscription_leaves_room_for_a_new_one():
    plan = make_plan()
    first = subscribe(plan)
    api.cancel_subscription(subscriber=ADA, subscription_id=first.id)

    assert subscribe(plan).id != first.id


@pytest.mark.parametrize("changes", [{"is_published": False}])
def test_plan_that_is_not_on_offer_is_not_found(changes):
    with pytest.raises(NotFound):
        subscribe(make_plan(**changes))


def test_plan_of_an_unpublished_product_is_not_found():
    plan = make_plan()
    type(plan.product).objects.update(is_published=False)

    with pytest.raises(NotFound):
        subscribe(plan)


def test_client_without_a_name_is_refused():
    with pytest.raises(InvalidFields, match="client_id"):
        subscribe(make_plan(), client_id="")


def test_nobody_sees_or_cancels_the_subscription_of_another():
    subscription = subscribe(make_plan())

    assert api.list_subscriptions(subscriber=BOB) == ()
    with pytest.raises(NotFound):
        api.get_subscription(subscriber=BOB, subscription_id=subscription.id)
    with pytest.raises(NotFound):
        api.cancel_subscription(subscriber=BOB, subscription_id=subscription.id)
    assert api.get_subscription(subscriber=ADA, subscription_id=subscription.id) == subscription


def test_subscriptions_are_listed_by_client_the_newest_first():
    plan = make_plan()
    first = subscribe(plan, client_id="c1")
    second = subscribe(plan, client_id="c2")

    assert api.list_subscriptions(subscriber=ADA) == (second, first)
    assert api.list_subscriptions(subscriber=ADA, client_id="c1") == (first,)


def test_deleted_application_ends_all_its_open_subscriptions():
    plan = make_plan()
    subscribe(plan, client_id="c1")
    other = subscribe(plan, client_id="c2")
    paid = save_plan(spec=plan_spec(slug="paid", components=(paid_component(),)))
    subscribe(paid, client_id="c1")

    assert api.cancel_client_subscriptions(client_id="c1") == 2
    assert api.cancel_client_subscriptions(client_id="c1") == 0
    assert Subscription.objects.exclude(status="cancelled").get().pk == other.id


def test_each_decision_raises_the_version_and_an_impossible_one_does_not():
    subscription = subscribe(make_plan())
    before = ConfigurationVersion.objects.get().version

    suspend_subscription(subscription_id=subscription.id, reason="Unpaid.")
    resume_subscription(subscription_id=subscription.id)
    with pytest.raises(InvalidTransition):
        approve_subscription(subscription_id=subscription.id)

    assert ConfigurationVersion.objects.get().version == before + 2


def test_resumed_subscription_keeps_the_time_of_its_approval():
    subscription = subscribe(make_plan())

    suspend_subscription(subscription_id=subscription.id)
    resumed = resume_subscription(subscription_id=subscription.id)

    assert resumed.activated_at == subscription.activated_at


def test_subscriber_is_kept_current_and_never_emptied():
    plan = make_plan()
    subscribe(plan, client_id="c1")
    subscribe(plan, client_id="c2", subscriber=SubscriberRef("ada", "new@example.com"))

    row = Subscriber.objects.get()
    assert (row.name, row.email) == ("Ada", "new@example.com")
