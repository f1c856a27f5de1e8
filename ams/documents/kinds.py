"""The kinds of things a document holds: how each is found, saved and taken away."""

import dataclasses
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from ams.catalog.checks.health_path import check_health_paths
from ams.catalog.models import API, Issuer, Upstream
from ams.catalog.queries.spec_of import spec_of_api, spec_of_issuer, spec_of_upstream
from ams.catalog.services.delete_api import delete_api
from ams.catalog.services.delete_issuer import delete_issuer
from ams.catalog.services.delete_upstream import delete_upstream
from ams.catalog.services.save_api import save_api
from ams.catalog.services.save_issuer import save_issuer
from ams.catalog.services.save_upstream import save_upstream
from ams.catalog.specs import APISpec, IssuerSpec, UpstreamSpec
from ams.errors import FieldProblem, InUse
from ams.plans.models import Plan, Product
from ams.plans.queries.spec_of import spec_of_plan, spec_of_product
from ams.plans.services.delete_plan import delete_plan
from ams.plans.services.delete_product import delete_product
from ams.plans.services.save_plan import save_plan
from ams.plans.services.save_product import save_product
from ams.plans.specs import PlanSpec, ProductSpec, with_lists
from ams.subscriptions.checks.subscription import OPEN
from ams.subscriptions.models import Subscription
from ams.subscriptions.queries.spec_of import spec_of_subscription
from ams.subscriptions.services.cancel_subscription import cancel_subscription
from ams.subscriptions.services.save_subscription import save_subscription
from ams.subscriptions.specs import SubscriptionSpec


@dataclass(frozen=True, slots=True)
class Present:
    """A thing as it is in the database."""

    id: uuid.UUID
    spec: Any


@dataclass(frozen=True, slots=True)
class Kind:
    """One section of a document. Functions take and return specs of `spec_type`."""

    section: str
    spec_type: type[Any]
    key: Callable[[Any], str]
    load: Callable[[], list[Present]]
    save: Callable[[Any, uuid.UUID | None], object]
    # Returns the spec that is left when the thing has a history and can only be hidden.
    remove: Callable[[Present], Any]
    # Returns the wanted spec with what it leaves open taken from the present one.
    complete: Callable[[Any, Any], Any] = lambda wanted, _present: wanted
    # Returns the problems of each pair of a wanted and a present spec that only the network knows.
    probe: Callable[[Sequence[tuple[Any, Any]]], list[list[FieldProblem]]] | None = None


def _load_upstreams() -> list[Present]:
    rows = Upstream.objects.prefetch_related("targets").order_by("slug")
    return [Present(row.pk, spec_of_upstream(row)) for row in rows]


def _load_issuers() -> list[Present]:
    return [Present(row.pk, spec_of_issuer(row)) for row in Issuer.objects.order_by("slug")]


def _load_apis() -> list[Present]:
    rows = API.objects.select_related("upstream").prefetch_related(
        "scopes", "operations", "issuers"
    )
    return [Present(row.pk, spec_of_api(row)) for row in rows.order_by("slug")]


def _load_products() -> list[Present]:
    rows = Product.objects.prefetch_related("apis").order_by("slug")
    return [Present(row.pk, spec_of_product(row)) for row in rows]


def _load_plans() -> list[Present]:
    rows = Plan.objects.select_related("product").prefetch_related(
        "components", "rate_limits", "quotas"
    )
    return [
        Present(row.pk, spec_of_plan(row))
        for row in rows.order_by("product__slug", "position", "slug")
    ]


def _load_subscriptions() -> list[Present]:
    rows = Subscription.objects.filter(status__in=OPEN).select_related(
        "plan__product", "subscriber"
    )
    return [Present(row.pk, spec_of_subscription(row)) for row in rows.order_by("created_at")]


def _remove_product(present: Present) -> Any:
    try:
        delete_product(product_id=present.id)
    except InUse:
        return dataclasses.replace(present.spec, is_published=False)
    return None


def _remove_plan(present: Present) -> Any:
    try:
        delete_plan(plan_id=present.id)
    except InUse:
        return dataclasses.replace(present.spec, is_published=False)
    return None


def _remove_subscription(present: Present) -> None:
    cancel_subscription(subscription_id=present.id, reason="No longer in the applied document.")


def _complete_api(wanted: APISpec, present: APISpec | None) -> APISpec:
    del present
    # An address that is written out although it is the default is no difference.
    default = settings.GATEWAY_URL + wanted.base_path
    resource = "" if wanted.resource == default else wanted.resource
    return dataclasses.replace(wanted, resource=resource, issuers=tuple(sorted(wanted.issuers)))


def _complete_product(wanted: ProductSpec, present: ProductSpec | None) -> ProductSpec:
    del present
    return dataclasses.replace(wanted, apis=tuple(sorted(wanted.apis)))


def _complete_subscription(
    wanted: SubscriptionSpec, present: SubscriptionSpec | None
) -> SubscriptionSpec:
    if present is None:
        return wanted
    subscriber = wanted.subscriber
    if subscriber.subject == present.subscriber.subject:
        subscriber = dataclasses.replace(
            subscriber,
            name=subscriber.name or present.subscriber.name,
            email=subscriber.email or present.subscriber.email,
        )
    return dataclasses.replace(
        wanted,
        subscriber=subscriber,
        activated_at=wanted.activated_at or present.activated_at,
    )


# In the order in which they need each other.
KINDS: Final = (
    Kind(
        section="upstreams",
        spec_type=UpstreamSpec,
        key=lambda spec: str(spec.slug),
        load=_load_upstreams,
        save=lambda spec, known: save_upstream(spec=spec, upstream_id=known, probe=False),
        probe=check_health_paths,
        remove=lambda present: delete_upstream(upstream_id=present.id),
    ),
    Kind(
        section="issuers",
        spec_type=IssuerSpec,
        key=lambda spec: str(spec.slug),
        load=_load_issuers,
        save=lambda spec, known: save_issuer(spec=spec, issuer_id=known),
        remove=lambda present: delete_issuer(issuer_id=present.id),
    ),
    Kind(
        section="apis",
        spec_type=APISpec,
        key=lambda spec: str(spec.slug),
        load=_load_apis,
        save=lambda spec, known: save_api(spec=spec, api_id=known),
        remove=lambda present: delete_api(api_id=present.id),
        complete=_complete_api,
    ),
    Kind(
        section="products",
        spec_type=ProductSpec,
        key=lambda spec: str(spec.slug),
        load=_load_products,
        save=lambda spec, known: save_product(spec=spec, product_id=known),
        remove=_remove_product,
        complete=_complete_product,
    ),
    Kind(
        section="plans",
        spec_type=PlanSpec,
        key=lambda spec: f"{spec.product}/{spec.slug}",
        load=_load_plans,
        save=lambda spec, known: save_plan(spec=spec, plan_id=known),
        remove=_remove_plan,
        complete=lambda wanted, _present: with_lists(wanted),
    ),
    Kind(
        section="subscriptions",
        spec_type=SubscriptionSpec,
        key=lambda spec: f"{spec.client_id}/{spec.product}/{spec.plan}",
        load=_load_subscriptions,
        save=lambda spec, _known: save_subscription(spec=spec),
        remove=_remove_subscription,
        complete=_complete_subscription,
    ),
)
