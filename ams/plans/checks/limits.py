"""What makes rate limits and quotas enforceable together: none is impossible, none says nothing."""

from typing import Final

from ams.field_checks import FieldChecks, Path
from ams.plans.models import Quota, RateLimit
from ams.plans.specs import PlanSpec, QuotaSpec, RateLimitSpec
from wire.calendar_period import PERIOD_SECONDS

_LARGEST_INTEGER: Final = 2_147_483_647
_LARGEST_BIG_INTEGER: Final = 9_223_372_036_854_775_807
_LONGEST_WINDOW_SECONDS: Final = 86_400
# Each is a look-up on the request path.
_MOST_LIMITS: Final = 8
_MOST_OPERATIONS: Final = 100


def check_limits(spec: PlanSpec, checks: FieldChecks) -> None:
    """Add what is wrong with the limits of a plan whose lists are filled (`specs.with_lists`)."""
    for old in ("rate_limit", "quota"):
        if getattr(spec, old) is not None:
            checks.add(f"put it into {old}s: both are given.", old)
    for section in ("rate_limits", "quotas"):
        if len(getattr(spec, section)) > _MOST_LIMITS:
            checks.add(f"at most {_MOST_LIMITS} are possible.", section)
    found_before = len(checks.problems)
    for at, limit in enumerate(spec.rate_limits):
        _check_rate_limit(limit, ("rate_limits", at), checks)
    for at, quota in enumerate(spec.quotas):
        _check_quota(quota, ("quotas", at), checks)
    _check_names(spec, checks)
    if len(checks.problems) == found_before:
        _check_rate_limits_together(spec, checks)
        _check_quotas_together(spec, checks)
        _check_throttles(spec, checks)


def _check_rate_limit(limit: RateLimitSpec, here: Path, checks: FieldChecks) -> None:
    checks.slug(limit.name, *here, "name")
    checks.number(limit.calls, *here, "calls", least=1, most=_LARGEST_INTEGER)
    _check_window(limit.window_seconds, (*here, "window_seconds"), checks)
    if limit.burst is not None:
        checks.number(limit.burst, *here, "burst", least=1, most=_LARGEST_INTEGER)
    checks.choice(limit.per, RateLimit.Per.values, *here, "per")
    if len(limit.operations) > _MOST_OPERATIONS:
        checks.add(f"at most {_MOST_OPERATIONS} are possible.", *here, "operations")
    checks.unique(
        ((name, (*here, "operations", at)) for at, name in enumerate(limit.operations)),
        "operation",
    )


def _check_window(seconds: int, here: Path, checks: FieldChecks) -> None:
    checks.number(seconds, *here, least=1, most=_LONGEST_WINDOW_SECONDS)


def _check_quota(quota: QuotaSpec, here: Path, checks: FieldChecks) -> None:
    checks.slug(quota.name, *here, "name")
    checks.number(quota.calls, *here, "calls", least=1, most=_LARGEST_BIG_INTEGER)
    checks.choice(quota.period, Quota.Period.values, *here, "period")
    checks.choice(quota.overage, Quota.Overage.values, *here, "overage")
    throttle = quota.throttle
    if throttle is not None:
        checks.number(throttle.calls, *here, "throttle", "calls", least=1, most=_LARGEST_INTEGER)
        _check_window(throttle.window_seconds, (*here, "throttle", "window_seconds"), checks)
    if quota.overage == Quota.Overage.THROTTLE and throttle is None:
        checks.add("needed where the overage is throttled: calls, window_seconds.",
                   *here, "throttle")  # fmt: skip
    if quota.overage != Quota.Overage.THROTTLE and throttle is not None:
        checks.add(f"says nothing where the overage is {quota.overage!r}.", *here, "throttle")


def _check_names(spec: PlanSpec, checks: FieldChecks) -> None:
    """Names tell limits apart in the RateLimit fields, so rates and quotas share one space."""
    named: list[tuple[str, Path]] = [
        (limit.name, ("rate_limits", at, "name")) for at, limit in enumerate(spec.rate_limits)
    ]
    for at, quota in enumerate(spec.quotas):
        named.append((quota.name, ("quotas", at, "name")))
        if quota.throttle is not None:
            named.append((f"{quota.name}-throttle", ("quotas", at, "name")))
    checks.unique(named, "name")


def _check_rate_limits_together(spec: PlanSpec, checks: FieldChecks) -> None:
    """Refuse two limits of the same calls in the same time: one of them never takes effect."""
    checks.unique(
        (
            (
                (limit.per, limit.each_operation, limit.operations, limit.window_seconds),
                ("rate_limits", at, "window_seconds"),
            )
            for at, limit in enumerate(spec.rate_limits)
        ),
        "calls and window",
    )


def _check_quotas_together(spec: PlanSpec, checks: FieldChecks) -> None:
    """Refuse two quotas of one period, and one that a longer period's never lets come true."""
    periods = ((quota.period, ("quotas", at, "period")) for at, quota in enumerate(spec.quotas))
    checks.unique(periods, "period")
    for at, quota in enumerate(spec.quotas):
        for other in spec.quotas:
            is_longer = PERIOD_SECONDS[other.period] > PERIOD_SECONDS[quota.period]
            if is_longer and other.overage == "block" and other.calls < quota.calls:
                checks.add(
                    f"can never be reached: {other.name!r} allows {other.calls:,} a"
                    f" {other.period}.",
                    "quotas",
                    at,
                    "calls",
                )
                break


def _check_throttles(spec: PlanSpec, checks: FieldChecks) -> None:
    """Refuse a throttle that is not slower than what the plan allows anyway."""
    whole = [
        limit
        for limit in spec.rate_limits
        if limit.per in {"subscription", "client"}
        and not (limit.operations or limit.each_operation)
    ]
    for at, quota in enumerate(spec.quotas):
        throttle = quota.throttle
        if throttle is None:
            continue
        for limit in whole:
            # calls per second, compared without a division
            if throttle.calls * limit.window_seconds >= limit.calls * throttle.window_seconds:
                checks.add(
                    f"not lower than the rate limit {limit.name!r}: {limit.calls:,} calls in"
                    f" {limit.window_seconds} s.",
                    "quotas",
                    at,
                    "throttle",
                    "calls",
                )
                break
