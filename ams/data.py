"""The frozen dataclasses that cross the door of ams; models never do."""

import uuid
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class OperationData:
    operation_id: str
    method: str
    path: str
    summary: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ScopeData:
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class APIData:
    id: uuid.UUID
    slug: str
    name: str
    version: str
    summary: str
    description: str
    tags: tuple[str, ...]
    base_path: str
    resource: str
    public_url: str
    operations: tuple[OperationData, ...]
    scopes: tuple[ScopeData, ...]


@dataclass(frozen=True, slots=True)
class PriceComponentData:
    kind: str  # "flat_fee" | "per_call" | "graduated"
    label: str
    amount_minor: int | None
    unit_price: Decimal | None
    included_calls: int
    tiers: tuple[tuple[int | None, Decimal], ...]  # (up to, price per call in major units)


@dataclass(frozen=True, slots=True)
class RateLimitData:
    name: str
    calls: int
    window_seconds: int
    burst: int | None
    per: str  # "subscription" | "client" | "user" | "address"
    each_operation: bool
    operations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanQuotaData:
    name: str
    calls: int
    period: str  # "minute" | "hour" | "day" | "week" | "month" | "year"
    overage: str  # "block" | "throttle" | "bill"
    throttle_calls: int | None
    throttle_window_seconds: int | None


@dataclass(frozen=True, slots=True)
class PlanData:
    id: uuid.UUID
    slug: str
    name: str
    description: str
    product_slug: str
    product_name: str
    requires_approval: bool
    currency: str
    rate_limits: tuple[RateLimitData, ...]
    quotas: tuple[PlanQuotaData, ...]
    components: tuple[PriceComponentData, ...]
    is_free: bool
    billable_statuses: tuple[range, ...] = ()  # ascending, with a gap between each two
    billable_causes: tuple[str, ...] = ()  # "upstream" | "client" | "gateway"


@dataclass(frozen=True, slots=True)
class ProductData:
    id: uuid.UUID
    slug: str
    name: str
    summary: str
    description: str
    apis: tuple[APIData, ...]
    plans: tuple[PlanData, ...]


@dataclass(frozen=True, slots=True)
class SubscriberRef:
    """Who subscribes: the `sub` of the token service, with what is shown and billed."""

    subject: str
    email: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class SubscriptionData:
    id: uuid.UUID
    client_id: str
    application_name: str
    plan: PlanData
    status: str
    reason: str
    created_at: datetime
    activated_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class HourData:
    """Calls in one hour, by status class (2, 3, 4, 5)."""

    hour_at: datetime
    calls: int
    by_class: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QuotaData:
    """A quota's state in its present period."""

    name: str
    limit: int
    used: int
    period: str
    resets_at: datetime
    overage: str


@dataclass(frozen=True, slots=True)
class UsageData:
    """Usage of one subscription; `hours` has a row for every hour asked for, also empty ones."""

    hours: tuple[HourData, ...]
    by_class: dict[int, int]
    calls: int
    quotas: tuple[QuotaData, ...] = ()  # not those of a minute, which usage is too coarse for


@dataclass(frozen=True, slots=True)
class RecentCallData:
    """One call of a subscription. `problem` is why the gateway refused it, as in problem types."""

    at: datetime
    api: str
    operation: str
    method: str
    status: int
    latency_ms: int
    request_id: str
    problem: str


@dataclass(frozen=True, slots=True)
class InvoiceLineData:
    description: str
    quantity: int
    unit_price: Decimal | None
    amount_minor: int


@dataclass(frozen=True, slots=True)
class InvoiceData:
    id: uuid.UUID
    status: str
    period_start: date
    period_end: date
    currency: str
    total_minor: int
    lines: tuple[InvoiceLineData, ...]
