import uuid
from collections.abc import Iterable
from datetime import date

from django.db import transaction

from ams.billing.models import Invoice, InvoiceLine
from ams.billing.rating import RatedInvoice, RatedLine, get_period_end, rate_period
from ams.errors import InvalidDocument


def close_period(*, period_start: date) -> int:
    """Make or refresh the month's draft invoices; how many drafts there are then.

    One for each subscriber and currency, also when nothing is to be paid. Closing again rates
    a draft anew; finalized invoices stay as they are, and a voided one gets a successor.
    Each invoice is stored in a transaction of its own. Raises InvalidDocument at the end when
    a plan's price is unusable: those invoices are left alone, all others are done.
    """
    period_end = get_period_end(period_start)
    rated = rate_period(period_start=period_start)
    problems = [problem for invoice in rated for problem in invoice.problems]
    drafts = sum(
        _store(invoice, period_start, period_end)
        for invoice in [*rated, *_find_emptied(rated, period_start)]
        if not invoice.problems
    )
    if problems:
        raise InvalidDocument(" ".join(sorted(set(problems))), where="prices")
    return drafts


def _find_emptied(rated: Iterable[RatedInvoice], period_start: date) -> list[RatedInvoice]:
    """Return an empty rating for each draft that no subscription stands behind any more."""
    keys = {(invoice.subscriber_id, invoice.currency) for invoice in rated}
    drafts = Invoice.objects.filter(period_start=period_start, status=Invoice.Status.DRAFT)
    found = set(drafts.values_list("subscriber_id", "currency"))
    return [RatedInvoice(*key) for key in sorted(found - keys)]


@transaction.atomic
def _store(rated: RatedInvoice, period_start: date, period_end: date) -> bool:
    invoice = _lock_invoice(rated, period_start, period_end)
    if invoice.status != Invoice.Status.DRAFT:
        return False
    if _read_lines(invoice.pk) != rated.lines:
        invoice.lines.all().delete()
        _write_lines(invoice.pk, rated.lines)
        invoice.total_minor = rated.total_minor
        invoice.save(update_fields=["total_minor", "updated_at"])
    return True


def _lock_invoice(rated: RatedInvoice, period_start: date, period_end: date) -> Invoice:
    key = {
        "subscriber_id": rated.subscriber_id,
        "period_start": period_start,
        "currency": rated.currency,
    }
    # Two closings at once: the second one waits here for the first and then finds its row.
    Invoice.objects.bulk_create([Invoice(**key, period_end=period_end)], ignore_conflicts=True)
    standing = Invoice.objects.exclude(status=Invoice.Status.VOIDED)
    return standing.select_for_update().get(**key)


def _read_lines(invoice_id: uuid.UUID) -> list[RatedLine]:
    return [
        RatedLine(
            subscription_id=line.subscription_id,
            description=line.description,
            quantity=line.quantity,
            unit_price=line.unit_price,
            amount_minor=line.amount_minor,
            component=line.component,
        )
        for line in InvoiceLine.objects.filter(invoice_id=invoice_id)
    ]


def _write_lines(invoice_id: uuid.UUID, lines: list[RatedLine]) -> None:
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice_id=invoice_id,
            position=position,
            subscription_id=line.subscription_id,
            description=line.description,
            quantity=line.quantity,
            unit_price=line.unit_price,
            amount_minor=line.amount_minor,
            component=line.component,
        )
        for position, line in enumerate(lines, start=1)
    )
