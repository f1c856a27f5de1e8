import uuid

from django.db import transaction

from ams.billing.models import Invoice
from ams.billing.queries.get_invoice import lock_invoice
from ams.errors import InvalidTransition


@transaction.atomic
def void_invoice(*, invoice_id: uuid.UUID) -> Invoice:
    """Return the invoice, kept but owed no more; the next closing of its month makes a new draft.

    Raises NotFound, and InvalidTransition unless it is finalized: a draft is rated anew instead.
    """
    invoice = lock_invoice(invoice_id)
    if invoice.status != Invoice.Status.FINALIZED:
        raise InvalidTransition(
            f"Only a finalized invoice can be voided; this one is {invoice.status}."
        )
    invoice.status = Invoice.Status.VOIDED
    invoice.save(update_fields=["status", "updated_at"])
    return invoice
