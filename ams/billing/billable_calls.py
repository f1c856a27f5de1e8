"""How many billed calls each subscription made, by the rule of its plan."""

from collections import Counter
from collections.abc import Iterable
from datetime import date

from django.db.models import Sum

from ams.metering.models import DailyUsage
from ams.plans.billable import BillableRule
from ams.plans.models import Plan
from ams.subscriptions.models import Subscription


def get_billable_rule(plan: Plan) -> BillableRule:
    """Return the rule as it is saved now: an open month is rated by it as a whole."""
    return BillableRule.read(plan.billable_statuses, plan.billable_causes)


def count_billable_calls(
    *,
    period_start: date,
    period_end: date,
    subscriptions: Iterable[Subscription],
    is_everybody: bool,
) -> Counter[str]:
    """Return the billed calls of each subscription from `period_start` to before `period_end`.

    Days are those of UTC. Runs one query; wants the plans selected.
    """
    rules = {str(found.pk): get_billable_rule(found.plan) for found in subscriptions}
    rows = (
        DailyUsage.objects.filter(date__gte=period_start, date__lt=period_end)
        .values_list("subscription_id", "status", "cause")
        .annotate(total=Sum("calls"))
    )
    if not is_everybody:
        rows = rows.filter(subscription_id__in=list(rules))
    calls: Counter[str] = Counter()
    for subscription_id, status, cause, total in rows.iterator():
        rule = rules.get(subscription_id)
        if rule is not None and rule.is_billable(status, cause):
            calls[subscription_id] += total
    return calls
