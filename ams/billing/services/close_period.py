import uuid
from datetime import date

from django.db import transaction

from ams.billing.models import Invoice, InvoiceLine
from ams.billing.rating import RatedInvoice, RatedLine, get_period_end, rate_period
from ams.errors import InvalidDocument

# Subscriber and currency: what tells the invoices of one month apart.
Key = tuple[uuid.UUID, str]


def close_period(*, period_start: date) -> int:
    """Make or refresh the month's draft invoices; how many drafts there are then.

    One for each subscriber and currency, also when nothing is to be paid. Closing again rates
    a draft anew; finalized invoices stay as they are, and a voided one gets a successor.
    Each invoice is stored in a transaction of its own. Raises InvalidDocument at the end when
    a plan's price is unusable: those invoices are left alone, all others are done.
    """
    rated = rate_period(period_start=period_start)
    problems = [problem for invoice in rated for problem in invoice.problems]
    drafts = _read_drafts(period_start)
    emptied = [RatedInvoice(*key) for key in drafts.keys() - {_key(invoice) for invoice in rated}]
    standing = 0
    for invoice in [*rated, *emptied]:
        if not invoice.problems:
            # Most drafts of an hourly close are as they were: those are neither locked nor read.
            is_unchanged = drafts.get(_key(invoice)) == invoice.lines
            standing += is_unchanged or _store(invoice, period_start)
    if problems:
        raise InvalidDocument(" ".join(sorted(set(problems))), where="prices")
    return standing


def _key(invoice: RatedInvoice) -> Key:
    return invoice.subscriber_id, invoice.currency


def _read_drafts(period_start: date) -> dict[Key, list[RatedLine]]:
    """Return the lines of each draft of the month. Runs two queries."""
    drafts = Invoice.objects.filter(period_start=period_start, status=Invoice.Status.DRAFT)
    keys = {
        pk: (subscriber, currency)
        for pk, subscriber, currency in drafts.values_list("pk", "subscriber_id", "currency")
    }
    found: dict[Key, list[RatedLine]] = {key: [] for key in keys.values()}
    for line in InvoiceLine.objects.filter(invoice__in=drafts).iterator():
        if line.invoice_id in keys:
            found[keys[line.invoice_id]].append(_to_rated(line))
    return found


@transaction.atomic
def _store(rated: RatedInvoice, period_start: date) -> bool:
    invoice = _lock_invoice(rated, period_start)
    if invoice.status != Invoice.Status.DRAFT:
        return False
    if [_to_rated(line) for line in invoice.lines.all()] != rated.lines:
        invoice.lines.all().delete()
        _write_lines(invoice.pk, rated.lines)
        invoice.total_minor = rated.total_minor
        invoice.save(update_fields=["total_minor", "updated_at"])
    return True


def _lock_invoice(rated: RatedInvoice, period_start: date) -> Invoice:
    key = {
        "subscriber_id": rated.subscriber_id,
        "period_start": period_start,
        "currency": rated.currency,
    }
    # Two closings at once: the second one waits here for the first and then finds its row.
    Invoice.objects.bulk_create(
        [Invoice(**key, period_end=get_period_end(period_start))], ignore_conflicts=True
    )
    standing = Invoice.objects.exclude(status=Invoice.Status.VOIDED)
    return standing.select_for_update().get(**key)


def _to_rated(line: InvoiceLine) -> RatedLine:
    return RatedLine(
        subscription_id=line.subscription_id,
        description=line.description,
        quantity=line.quantity,
        unit_price=line.unit_price,
        amount_minor=line.amount_minor,
        component=line.component,
    )


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
