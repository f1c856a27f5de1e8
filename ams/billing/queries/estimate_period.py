import uuid
from datetime import date
from typing import Final

from ams.billing.rating import RatedInvoice, get_period_end, rate_period
from ams.data import InvoiceData, InvoiceLineData, SubscriberRef

ESTIMATE: Final = "estimate"


def estimate_period(*, subscriber: SubscriberRef, period_start: date) -> tuple[InvoiceData, ...]:
    """Return what the month would cost if it ended now, one invoice for each currency.

    Rated as `close_period` does it; nothing is stored, so `id` is the nil UUID and `status` is
    "estimate". Lines whose price is unusable are left out. Runs 3 queries.
    """
    rated = rate_period(period_start=period_start, subject=subscriber.subject)
    return tuple(_to_data(invoice, period_start) for invoice in rated)


def _to_data(rated: RatedInvoice, period_start: date) -> InvoiceData:
    return InvoiceData(
        id=uuid.UUID(int=0),
        status=ESTIMATE,
        period_start=period_start,
        period_end=get_period_end(period_start),
        currency=rated.currency,
        total_minor=rated.total_minor,
        lines=tuple(
            InvoiceLineData(
                description=line.description,
                quantity=line.quantity,
                unit_price=line.unit_price,
                amount_minor=line.amount_minor,
            )
            for line in rated.lines
        ),
    )
