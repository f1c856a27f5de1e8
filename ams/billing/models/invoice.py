"""Invoices: a period's usage, rated with the plan as it was."""

from django.db import models

from ams.subscriptions.models import Subscriber, Subscription
from wire.uuid7 import uuid7


class Invoice(models.Model):
    """One subscriber, one currency, one calendar month. Amounts are minor units."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        FINALIZED = "finalized"
        VOIDED = "voided"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subscriber = models.ForeignKey(Subscriber, on_delete=models.PROTECT, related_name="invoices")
    period_start = models.DateField()
    period_end = models.DateField(help_text="Exclusive.")
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=16, choices=Status, default=Status.DRAFT)
    total_minor = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subscriber", "period_start", "currency"],
                condition=~models.Q(status="voided"),
                name="billing_one_invoice_per_period",
            )
        ]
        ordering = ["-period_start"]

    def __str__(self) -> str:
        """Return whose it is, of which month: "a@example.com, 2026-11, EUR". May run a query."""
        return f"{self.subscriber}, {self.period_start:%Y-%m}, {self.currency}"


class InvoiceLine(models.Model):
    """One plan component (or one tier of it) for one subscription."""

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT)
    position = models.PositiveSmallIntegerField()
    description = models.CharField(max_length=256)
    quantity = models.BigIntegerField()
    # Exact decimal in major units; empty for a flat fee.
    unit_price = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)
    amount_minor = models.BigIntegerField()
    # The component as it was when rated, so that the line explains itself for ever.
    component = models.JSONField(default=dict)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return self.description
