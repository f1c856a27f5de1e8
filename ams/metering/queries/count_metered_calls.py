"""How many calls of a subscription are metered since a moment, as its quotas count them."""

from datetime import datetime

from django.db.models import Sum

from ams.metering.models import Cause, HourlyUsage

_TOO_MANY_REQUESTS = 429


def count_metered_calls(*, subscription_id: str, since: datetime) -> int:
    """Return the calls in the hours from `since` on, but for those that a limit refused.

    What is not folded yet is not in it, and where `since` is within an hour, neither is that
    hour: it is never more than what was called. Runs one query.
    """
    found = HourlyUsage.objects.filter(subscription_id=subscription_id, hour_at__gte=since)
    calls = found.exclude(status=_TOO_MANY_REQUESTS, cause=Cause.CLIENT).aggregate(
        calls=Sum("calls")
    )["calls"]
    return calls or 0
