from ams.billing.models import Invoice
from ams.billing.queries.invoice_data import to_invoice_data
from ams.data import InvoiceData, SubscriberRef


def list_invoices(*, subscriber: SubscriberRef) -> tuple[InvoiceData, ...]:
    """Return the subscriber's invoices, newest month first, voided ones too. Runs 2 queries."""
    invoices = (
        Invoice.objects.filter(subscriber__subject=subscriber.subject)
        .prefetch_related("lines")
        .order_by("-period_start", "currency", "-created_at")
    )
    return tuple(to_invoice_data(invoice) for invoice in invoices)
