"""The demo developer's applications: one to call with, one with a month of usage and a bill."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from ams import api as ams_api
from ams.billing.services.close_period import close_period
from ams.catalog.services.deliver_resource_registrations import deliver_resource_registrations
from ams.data import APIData, PlanData, ProductData, SubscriptionData
from ams.metering.services.fold_usage_batches import fold_usage_batches
from ams.metering.services.store_past_usage import store_past_usage
from config.first_run.demo_people import (
    ADMIN_USERNAME,
    DEVELOPER_EMAIL,
    read_demo_passwords,
)
from config.first_run.own_portal import register_own_portal
from config.first_run.quickstart import (
    Administrator,
    DemoClient,
    DemoDeveloper,
    Quickstart,
    Sample,
    read_quickstart,
    write_quickstart,
)
from portal.models import Application, Developer
from portal.services.delete_application import delete_application
from portal.services.register_application import register_application
from portal.subscriber import subscriber_of

_API_SLUG: Final = "orders"
_CALLER_NAME: Final = "Demo application"
_REPORTER_NAME: Final = "Nightly reports"
_SAMPLE_PATH: Final = "/orders/42"
_CALLS_PER_DAY: Final = 1_400
_USAGE_SEED: Final = 42


class DemoCatalogMissing(LookupError):
    """The catalog does not hold what the demo is made from; the message says what."""


@dataclass(frozen=True)
class _Demo:
    """What the seed works with, found once."""

    developer: Developer
    api: APIData
    free_plan: PlanData
    paid_plan: PlanData


def seed_demo() -> Quickstart:
    """Return what `quickstart.json` now holds. The web role must be running.

    What an earlier seed left and still works is kept. Raises PortalError, AMSError and
    DemoCatalogMissing.
    """
    register_own_portal()
    deliver_resource_registrations()
    demo = _find_demo()
    client = _find_caller(demo) or _register_caller(demo)
    _see_to_subscription(demo, client.client_id, _CALLER_NAME, demo.free_plan, None)
    _seed_last_month(demo)
    quickstart = _describe(demo, client)
    write_quickstart(settings.HOME / "quickstart.json", quickstart)
    return quickstart


def _find_demo() -> _Demo:
    person = get_user_model().objects.get(email=DEVELOPER_EMAIL)
    developer, _ = Developer.objects.get_or_create(
        issuer=settings.ISSUER,
        subject=str(person.subject),
        defaults={"email": person.email, "name": person.get_full_name()},
    )
    for product in ams_api.list_products():
        for api in product.apis:
            if api.slug == _API_SLUG:
                return _Demo(developer, api, *_find_plans(product))
    raise DemoCatalogMissing(f"The catalog has no published product with the API {_API_SLUG!r}.")


def _find_plans(product: ProductData) -> tuple[PlanData, PlanData]:
    free = [plan for plan in product.plans if plan.is_free and not plan.requires_approval]
    paid = [plan for plan in product.plans if not plan.is_free]
    if not free or not paid:
        raise DemoCatalogMissing(f"The product {product.slug!r} needs a free and a paid plan.")
    return free[0], paid[0]


def _find_caller(demo: _Demo) -> DemoClient | None:
    """Return the client of an earlier seed, where its secret is still known."""
    try:
        client = read_quickstart(settings.HOME / "quickstart.json").client
    except (OSError, ValueError, TypeError, KeyError):
        return None
    mine = demo.developer.applications.filter(client_id=client.client_id)
    return client if mine.exists() and client.resource == demo.api.resource else None


def _register_caller(demo: _Demo) -> DemoClient:
    for lost in demo.developer.applications.filter(name=_CALLER_NAME):
        delete_application(application=lost)
    scope = " ".join(scope.name for scope in demo.api.scopes)
    made = register_application(developer=demo.developer, name=_CALLER_NAME)
    return DemoClient(made.client_id, made.client_secret, scope, demo.api.resource)


def _see_to_subscription(
    demo: _Demo, client_id: str, name: str, plan: PlanData, since: datetime | None
) -> SubscriptionData:
    subscriber = subscriber_of(demo.developer)
    for known in ams_api.list_subscriptions(subscriber=subscriber, client_id=client_id):
        if known.plan.id == plan.id:
            return known
    return ams_api.subscribe_to_plan(
        subscriber=subscriber,
        client_id=client_id,
        application_name=name,
        plan_id=plan.id,
        activated_at=since,
    )


def _seed_last_month(demo: _Demo) -> None:
    start = _get_last_month(timezone.now().date())
    application = demo.developer.applications.filter(name=_REPORTER_NAME).first()
    if application is None:
        application = register_application(
            developer=demo.developer, name=_REPORTER_NAME
        ).application
    since = datetime(start.year, start.month, 1, tzinfo=UTC)
    subscription = _see_to_subscription(
        demo, application.client_id, _REPORTER_NAME, demo.paid_plan, since
    )
    for month_start in (start, timezone.now().date().replace(day=1)):
        _store_month(demo, application, subscription, month_start)
    while fold_usage_batches():
        pass
    close_period(period_start=start)


def _store_month(
    demo: _Demo, application: Application, subscription: SubscriptionData, month_start: date
) -> None:
    store_past_usage(
        subscription_id=str(subscription.id),
        client_id=application.client_id,
        plan_id=str(demo.paid_plan.id),
        api_id=str(demo.api.id),
        operations=[operation.operation_id for operation in demo.api.operations],
        month_start=month_start,
        calls_per_day=_CALLS_PER_DAY,
        seed=_USAGE_SEED,
    )


def _get_last_month(today: date) -> date:
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def _describe(demo: _Demo, client: DemoClient) -> Quickstart:
    passwords = read_demo_passwords()
    return Quickstart(
        issuer=settings.ISSUER,
        portal_url=f"{settings.ISSUER}/",
        admin_url=f"{settings.ISSUER}/admin/",
        gateway_url=settings.GATEWAY_URL,
        ca_file=str(settings.HOME / "tls" / "ca.pem"),
        admin=Administrator(ADMIN_USERNAME, passwords.admin),
        developer=DemoDeveloper(DEVELOPER_EMAIL, passwords.developer),
        client=client,
        sample=Sample("GET", f"{settings.GATEWAY_URL}{demo.api.base_path}{_SAMPLE_PATH}"),
    )
