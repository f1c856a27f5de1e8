"""Products and plans as admin, YAML and REST hand them to the services."""

from dataclasses import dataclass, replace
from decimal import Decimal

from ams.plans.billable import DEFAULT_CAUSES, DEFAULT_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductSpec:
    """`apis` are slugs."""

    slug: str
    name: str
    summary: str = ""
    description: str = ""
    is_published: bool = True
    apis: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitSpec:
    """At most `calls` in any `window_seconds`; `burst` at once (None: `calls`).

    `per` is subscription, client, user or address. `operations` are operation ids of the
    product's APIs, plain or as `api/operation_id`; empty: all. With `each_operation` each of them
    has a counter of its own.
    """

    name: str = "rate"
    calls: int
    window_seconds: int = 60
    burst: int | None = None
    per: str = "subscription"
    each_operation: bool = False
    operations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleSpec:
    """What is left when a quota is used up: `calls` in `window_seconds`."""

    calls: int
    window_seconds: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaSpec:
    """`calls` in a calendar `period`; what is above is blocked, throttled or billed."""

    name: str = "quota"
    calls: int
    period: str = "month"
    overage: str = "block"
    throttle: ThrottleSpec | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BillableSpec:
    """Billed are calls with one of `statuses` (4xx, 404, 400-403) and one of `causes`."""

    statuses: tuple[str, ...] = DEFAULT_STATUSES
    causes: tuple[str, ...] = DEFAULT_CAUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class TierSpec:
    """Calls up to the `up_to`th cost `unit_price` each, in major units; None: without end."""

    unit_price: Decimal
    up_to: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSpec:
    kind: str
    label: str
    amount_minor: int | None = None
    unit_price: Decimal | None = None
    included_calls: int = 0
    tiers: tuple[TierSpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSpec:
    """`product` is a slug; `slug` is unique within it. All limits hold at once."""

    product: str
    slug: str
    name: str
    description: str = ""
    position: int = 0
    is_published: bool = True
    requires_approval: bool = False
    currency: str = "EUR"
    timezone: str = "UTC"
    rate_limits: tuple[RateLimitSpec, ...] = ()
    quotas: tuple[QuotaSpec, ...] = ()
    # The spelling of earlier releases, for one of each; `with_lists` turns it into the above.
    rate_limit: RateLimitSpec | None = None
    quota: QuotaSpec | None = None
    billable: BillableSpec = BillableSpec()
    components: tuple[ComponentSpec, ...] = ()


def with_lists(spec: PlanSpec) -> PlanSpec:
    """Return `spec` with a single rate limit or quota in its list; both spellings stay as given."""
    if spec.rate_limit is not None and not spec.rate_limits:
        spec = replace(spec, rate_limits=(spec.rate_limit,), rate_limit=None)
    if spec.quota is not None and not spec.quotas:
        spec = replace(spec, quotas=(spec.quota,), quota=None)
    return spec
