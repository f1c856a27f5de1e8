from ams.billing.models.invoice import Invoice, InvoiceLine

__all__ = ["Invoice", "InvoiceLine"]
