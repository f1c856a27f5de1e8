"""How an invoice leaves ams."""

from ams.billing.models import Invoice
from ams.data import InvoiceData, InvoiceLineData


def to_invoice_data(invoice: Invoice) -> InvoiceData:
    """Return the invoice with its lines in order; prefetch `lines` to run no query."""
    return InvoiceData(
        id=invoice.pk,
        status=invoice.status,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        currency=invoice.currency,
        total_minor=invoice.total_minor,
        lines=tuple(
            InvoiceLineData(
                description=line.description,
                quantity=line.quantity,
                unit_price=line.unit_price,
                amount_minor=line.amount_minor,
            )
            for line in invoice.lines.all()
        ),
    )
