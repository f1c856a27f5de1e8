"""The last calls of a subscription, for whoever holds it."""

import uuid
from datetime import UTC, datetime

from ams.data import RecentCallData, SubscriberRef
from ams.errors import NotFound
from ams.metering.recent_call_store import read_calls
from ams.subscriptions.models import Subscription


def list_recent_calls(
    *, subscriber: SubscriberRef, subscription_id: uuid.UUID
) -> tuple[RecentCallData, ...]:
    """Return a sample of the last calls, the newest first; 200 at most.

    Raises NotFound, also for another's subscription, and RecentCallsUnavailable. Runs one query.
    """
    own = Subscription.objects.filter(pk=subscription_id, subscriber__subject=subscriber.subject)
    if not own.exists():
        raise NotFound("There is no such subscription.")
    return recent_calls_of(subscription_id)


def recent_calls_of(subscription_id: uuid.UUID) -> tuple[RecentCallData, ...]:
    """Return the same to an operator."""
    return tuple(
        RecentCallData(
            at=datetime.fromtimestamp(call.at, UTC),
            api=call.api,
            operation=call.operation,
            method=call.method,
            status=call.status,
            latency_ms=call.latency_ms,
            request_id=call.request_id,
            problem=call.problem.rpartition("/")[2],
        )
        for call in read_calls(str(subscription_id))
    )
