"""A large catalog in the database of a running installation, and changes of it."""

from dataclasses import replace
from itertools import count

from django.conf import settings
from django.db import transaction

from ams.catalog.models import API, ConfigurationVersion, Operation, Upstream
from ams.catalog.queries.spec_of import spec_of_api
from ams.catalog.services.raise_configuration_version import raise_configuration_version
from ams.catalog.services.save_api import save_api
from ams.plans.models import Plan, Product
from ams.subscriptions.models import Subscriber, Subscription
from ams.subscriptions.services.resume_subscription import resume_subscription
from ams.subscriptions.services.suspend_subscription import suspend_subscription

_turns = count()


@transaction.atomic
def fill(apis: int, operations: int, subscriptions: int) -> int:
    """Return the version at which all of it is there."""
    version = raise_configuration_version()
    upstream = Upstream.objects.create(slug="bench", url="http://127.0.0.1:9", allow_internal=True)
    made = API.objects.bulk_create(_api(at, upstream) for at in range(apis))
    Operation.objects.bulk_create(
        Operation(api=api, operation_id=f"get_{n}", method="GET", path=f"/things-{n}/{{id}}")
        for api in made
        for n in range(operations)
    )
    product = Product.objects.create(slug="bench", name="Bench")
    product.apis.set(made[:50])
    plan = Plan.objects.create(product=product, slug="bench", name="Bench")
    subscriber = Subscriber.objects.create(subject="bench")
    Subscription.objects.bulk_create(
        (
            Subscription(
                subscriber=subscriber,
                client_id=f"bench-{at}",
                plan=plan,
                status=Subscription.Status.ACTIVE,
                changed_in_version=version,
            )
            for at in range(subscriptions)
        ),
        batch_size=5_000,
    )
    return version


def change_subscription() -> int:
    """Return the version in which one subscription is suspended, or active again."""
    turn = next(_turns)
    found = Subscription.objects.get(client_id=f"bench-{turn // 2}")
    if found.status == Subscription.Status.ACTIVE:
        suspend_subscription(subscription_id=found.pk)
    else:
        resume_subscription(subscription_id=found.pk)
    return _version()


def change_api() -> int:
    """Return the version in which one API has another limit of its bodies."""
    api = API.objects.get(slug=f"bench-{next(_turns)}")
    save_api(spec=replace(spec_of_api(api), max_body_bytes=1_000 + next(_turns)), api_id=api.pk)
    return _version()


def _api(at: int, upstream: Upstream) -> API:
    return API(
        slug=f"bench-{at}",
        name=f"Bench {at}",
        base_path=f"/bench-{at}",
        resource=f"{settings.GATEWAY_URL}/bench-{at}",
        upstream=upstream,
    )


def _version() -> int:
    return ConfigurationVersion.objects.get().version
