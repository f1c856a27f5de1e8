"""A plan in plain words: what it costs, how fast, how much, and who has to say yes."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ams.data import PlanData, PlanQuotaData, PriceComponentData, RateLimitData
from portal.money import format_minor, format_unit_price

_BY_CAUSE: Final = {
    "upstream": "answers of the API",
    "client": "calls that the gateway refuses or you break off",
    "gateway": "calls that the API does not answer",
}
_WINDOWS: Final = {1: "second", 60: "minute", 3600: "hour", 86_400: "24 hours"}
_PER: Final = {
    "subscription": "",
    "client": "",
    "user": " for each of your users",
    "address": " from one address",
}


@dataclass(frozen=True, slots=True)
class PlanWords:
    """`headline` and `unit` are the big price; `lines` is the whole truth below it."""

    headline: str
    unit: str
    lines: tuple[str, ...]
    rate_limits: tuple[str, ...]
    quotas: tuple[str, ...]
    approval: str
    billed: str

    @property
    def limits(self) -> tuple[str, ...]:
        return self.rate_limits + self.quotas


def describe_plan(plan: PlanData) -> PlanWords:
    headline, unit = _headline(plan)
    return PlanWords(
        headline=headline,
        unit=unit,
        lines=tuple(
            line
            for component in plan.components
            if not _is_headline(component, plan)
            for line in _describe(component, plan.currency)
        ),
        rate_limits=_describe_rate_limits(plan),
        quotas=_describe_quotas(plan),
        billed="" if plan.is_free else _billed(plan),
        approval="Approved by the API team first" if plan.requires_approval else "Starts at once",
    )


def _billed(plan: PlanData) -> str:
    """Say which calls cost something: the plan's rule."""
    causes = [_BY_CAUSE[cause] for cause in _BY_CAUSE if cause in plan.billable_causes]
    if not causes or not plan.billable_statuses:
        return "No call is billed"
    statuses = ", ".join(
        f"{one.start} to {one[-1]}" if len(one) > 1 else f"{one.start}"
        for one in plan.billable_statuses
    )
    return f"Billed are {' and '.join(causes)} with status {statuses}"


def _headline(plan: PlanData) -> tuple[str, str]:
    if plan.is_free:
        return "Free", "for as long as you like"
    fees = [c.amount_minor for c in plan.components if c.kind == "flat_fee" and c.amount_minor]
    if fees:
        has_usage = any(component.kind != "flat_fee" for component in plan.components)
        unit = "per month, plus usage" if has_usage else "per month"
        return format_minor(sum(fees), plan.currency), unit
    prices = [price for component in plan.components for price in _unit_prices(component)]
    if prices:
        prefix = "from " if len(set(prices)) > 1 else ""
        return f"{prefix}{format_unit_price(min(prices), plan.currency)}", "per call"
    return "Free", ""


def _is_headline(component: PriceComponentData, plan: PlanData) -> bool:
    """Whether the component is the one fee that the headline already names."""
    return [item for item in plan.components if item.kind == "flat_fee"] == [component]


def _unit_prices(component: PriceComponentData) -> list[Decimal]:
    if component.kind == "per_call" and component.unit_price is not None:
        return [component.unit_price]
    return [price for _, price in component.tiers]


def _describe(component: PriceComponentData, currency: str) -> list[str]:
    if component.kind == "flat_fee":
        if not component.amount_minor:
            return []
        return [f"{component.label}: {format_minor(component.amount_minor, currency)} per month"]
    if component.kind == "per_call" and component.unit_price is not None:
        price = f"{format_unit_price(component.unit_price, currency)} per call"
        if component.included_calls:
            return [f"First {component.included_calls:,} calls included", f"Then {price}"]
        return [price]
    return _describe_tiers(component, currency)


def _describe_tiers(component: PriceComponentData, currency: str) -> list[str]:
    """Graduated tiers: each price holds for the calls inside its tier only."""
    lines, reached = [], 0
    if component.included_calls:
        lines.append(f"First {component.included_calls:,} calls included")
    for up_to, price in component.tiers:
        words = "included" if price == 0 else f"{format_unit_price(price, currency)} each"
        if up_to is None:
            lines.append(f"Above {reached:,} calls: {words}" if reached else f"Every call: {words}")
        else:
            lines.append(f"Calls {reached + 1:,} to {up_to:,}: {words}")
            reached = up_to
    return lines


def _describe_rate_limits(plan: PlanData) -> tuple[str, ...]:
    return tuple(map(_describe_rate_limit, plan.rate_limits)) or ("No rate limit",)


def _describe_rate_limit(limit: RateLimitData) -> str:
    text = f"{_rate(limit.calls, limit.window_seconds)}{_PER[limit.per]}"
    if limit.each_operation:
        text += ", for each operation"
    if limit.operations:
        text += f", for {', '.join(limit.operations)}"
    if limit.burst and limit.burst != limit.calls:
        text += f", bursts of {limit.burst:,}"
    return text


def _describe_quotas(plan: PlanData) -> tuple[str, ...]:
    return tuple(map(_describe_quota, plan.quotas)) or ("No quota",)


def _describe_quota(quota: PlanQuotaData) -> str:
    overage = "then calls stop"
    if quota.overage == "bill":
        overage = "then billed per call"
    elif quota.throttle_calls and quota.throttle_window_seconds:
        overage = f"then {_rate(quota.throttle_calls, quota.throttle_window_seconds)}"
    return f"{_calls(quota.calls)} per {quota.period}, {overage}"


def _rate(calls: int, seconds: int) -> str:
    return f"{_calls(calls)} per {_WINDOWS.get(seconds, f'{seconds:,} seconds')}"


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number:,} calls"
