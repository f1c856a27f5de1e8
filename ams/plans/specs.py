"""Products and plans as admin, YAML and REST hand them to the services."""

from dataclasses import dataclass
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
    """At most `calls` in `window_seconds`; `burst` at once (None: `calls`)."""

    calls: int
    window_seconds: int = 60
    burst: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaSpec:
    calls: int
    period: str = "month"
    overage: str = "block"


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
    """`product` is a slug; `slug` is unique within it."""

    product: str
    slug: str
    name: str
    description: str = ""
    position: int = 0
    is_published: bool = True
    requires_approval: bool = False
    currency: str = "EUR"
    timezone: str = "UTC"
    rate_limit: RateLimitSpec | None = None
    quota: QuotaSpec | None = None
    billable: BillableSpec = BillableSpec()
    components: tuple[ComponentSpec, ...] = ()
