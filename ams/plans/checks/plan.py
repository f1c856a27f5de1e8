"""What makes a plan usable: limits that can be enforced and prices that can be rated."""

import functools
import re
import zoneinfo
from decimal import Decimal
from typing import Final

from ams.field_checks import FieldChecks
from ams.plans.billable import read_statuses
from ams.plans.checks.limits import check_limits
from ams.plans.checks.price_component import check_component
from ams.plans.specs import BillableSpec, PlanSpec
from wire.usage_batch import Cause

# ISO 4217 is a list that changes; its form does not.
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_MOST_COMPONENTS: Final = 50
_MOST_STATUSES: Final = 20


def check_plan(spec: PlanSpec) -> FieldChecks:
    """Return what is wrong with `spec` by itself; runs no query."""
    checks = FieldChecks()
    checks.slug(spec.slug, "slug")
    checks.slug(spec.product, "product")
    checks.text(spec.name, "name", longest=64, required=True)
    checks.text(spec.description, "description")
    checks.number(spec.position, "position", least=0, most=32_767)
    if not _CURRENCY.fullmatch(spec.currency):
        checks.add(f"{spec.currency!r} is not a code of ISO 4217 such as EUR.", "currency")
    if spec.timezone not in _timezones():
        checks.add(f"{spec.timezone!r} is not a time zone such as Europe/Berlin.", "timezone")
    check_limits(spec, checks)
    _check_billable(spec.billable, checks)
    if len(spec.components) > _MOST_COMPONENTS:
        checks.add(f"at most {_MOST_COMPONENTS} are possible.", "components")
    for at, component in enumerate(spec.components):
        for problem in check_component(component).problems:
            checks.problems.append(problem.below("components", at))
    return checks


def is_free(spec: PlanSpec) -> bool:
    """Whether no component of the plan can ever cost anything."""
    return not any(
        component.amount_minor
        or (component.unit_price or Decimal(0)) != 0
        or any(tier.unit_price != 0 for tier in component.tiers)
        for component in spec.components
    )


def _check_billable(rule: BillableSpec, checks: FieldChecks) -> None:
    here = "billable"
    if len(rule.statuses) > _MOST_STATUSES:
        checks.add(f"at most {_MOST_STATUSES} are possible.", here, "statuses")
    for at, text in enumerate(rule.statuses[:_MOST_STATUSES]):
        try:
            read_statuses(text)
        except ValueError as error:
            checks.add(str(error), here, "statuses", at)
    for at, cause in enumerate(rule.causes):
        checks.choice(cause, tuple(Cause), here, "causes", at)
    checks.unique(((c, (here, "causes", at)) for at, c in enumerate(rule.causes)), "cause")


@functools.cache
def _timezones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
