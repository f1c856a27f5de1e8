import uuid

from ams.billing.models import Invoice
from ams.billing.queries.invoice_data import to_invoice_data
from ams.data import InvoiceData, SubscriberRef
from ams.errors import NotFound


def get_invoice(*, subscriber: SubscriberRef, invoice_id: uuid.UUID) -> InvoiceData:
    """Return the subscriber's invoice. Raises NotFound, also for another's. Runs 2 queries."""
    invoice = (
        Invoice.objects.filter(pk=invoice_id, subscriber__subject=subscriber.subject)
        .prefetch_related("lines")
        .first()
    )
    if invoice is None:
        raise NotFound("There is no such invoice.")
    return to_invoice_data(invoice)


def lock_invoice(invoice_id: uuid.UUID) -> Invoice:
    """Return the invoice, locked until the transaction ends. Raises NotFound."""
    invoice = Invoice.objects.select_for_update().filter(pk=invoice_id).first()
    if invoice is None:
        raise NotFound("There is no such invoice.")
    return invoice
