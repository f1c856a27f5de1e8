import uuid
from datetime import UTC, datetime

from django.db import transaction

from ams.billing.models import Invoice
from ams.billing.queries.get_invoice import lock_invoice
from ams.errors import InvalidTransition


@transaction.atomic
def finalize_invoice(*, invoice_id: uuid.UUID) -> Invoice:
    """Return the invoice, which never changes from now on (a trigger of the database sees to it).

    Raises NotFound, and InvalidTransition unless it is a draft of a month that is over (UTC).
    """
    invoice = lock_invoice(invoice_id)
    if invoice.status != Invoice.Status.DRAFT:
        raise InvalidTransition(f"Only a draft can be finalized; this invoice is {invoice.status}.")
    if datetime.now(UTC).date() < invoice.period_end:
        raise InvalidTransition(f"The period is not over before {invoice.period_end:%-d %B %Y}.")
    invoice.status = Invoice.Status.FINALIZED
    invoice.save(update_fields=["status", "updated_at"])
    return invoice
