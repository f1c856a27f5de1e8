"""Which calls are billed, and how many each subscription made."""

from datetime import date
from typing import Final

from django.db.models import Sum

from ams.metering.models import DailyUsage

_BILLABLE: Final = range(100, 400)


def is_billable(status: int) -> bool:
    """Whether a call that ended with `status` is billed: below 400 only.

    A refusal (401, 403, 429), a caller's mistake (400, 404) and a failure (5xx, or no answer
    at all: 0) cost nothing, whether the gateway or the upstream said so.
    """
    return status in _BILLABLE


def count_billable_calls(
    *, period_start: date, period_end: date, subscription_ids: list[str] | None = None
) -> dict[str, int]:
    """Return the billable calls of each subscription from `period_start` to before `period_end`.

    Days are those of UTC. Runs one query.
    """
    rows = DailyUsage.objects.filter(
        date__gte=period_start,
        date__lt=period_end,
        status__gte=_BILLABLE.start,
        status__lt=_BILLABLE.stop,
    )
    if subscription_ids is not None:
        rows = rows.filter(subscription_id__in=subscription_ids)
    return dict(rows.values_list("subscription_id").annotate(total=Sum("calls")))
