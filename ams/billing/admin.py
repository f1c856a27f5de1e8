"""Invoices in admin: read, finalize, void. Their lines come from rating alone."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from ams.billing.currencies import get_exponent
from ams.billing.models import Invoice, InvoiceLine
from ams.billing.services.finalize_invoice import finalize_invoice
from ams.billing.services.void_invoice import void_invoice
from ams.errors import AMSError
from ams.metering.read_only_admin import ReadOnlyAdmin


def _format_minor(amount_minor: int, currency: str) -> str:
    exponent = get_exponent(currency)
    return f"{Decimal(amount_minor).scaleb(-exponent):,.{exponent}f} {currency}"


class InvoiceLineInline(ReadOnlyAdmin, TabularInline):
    model = InvoiceLine
    fields = ("position", "description", "quantity", "unit_price", "amount")
    readonly_fields = fields
    extra = 0

    def amount(self, line: InvoiceLine) -> str:
        return _format_minor(line.amount_minor, line.invoice.currency)

    def get_queryset(self, request: HttpRequest) -> QuerySet[InvoiceLine]:
        found: QuerySet[InvoiceLine] = super().get_queryset(request)
        return found.select_related("invoice")


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin, ModelAdmin):
    """Both actions are POSTs of the list, so that no link of another site can set them off."""

    list_display = ("period_start", "subscriber", "status", "total", "currency", "updated_at")
    list_filter = ("status", "currency", "period_start")
    list_select_related = ("subscriber",)
    search_fields = ("id", "subscriber__email", "subscriber__subject")
    ordering = ("-period_start", "subscriber__email")
    fields = (
        "id",
        "subscriber",
        "status",
        ("period_start", "period_end"),
        "total",
        ("created_at", "updated_at"),
    )
    readonly_fields = ("id", "total", "created_at", "updated_at")
    inlines = (InvoiceLineInline,)
    actions = ("finalize", "void")

    @admin.display(ordering="total_minor")
    def total(self, invoice: Invoice) -> str:
        return _format_minor(invoice.total_minor, invoice.currency)

    def has_settle_permission(self, request: HttpRequest) -> bool:
        """Whether the user may finalize and void; the page itself changes nothing."""
        return request.user.has_perm("billing.change_invoice")

    @admin.action(description="Finalize: it never changes again", permissions=["settle"])
    def finalize(self, request: HttpRequest, invoices: QuerySet[Invoice]) -> None:
        self._apply(request, invoices, lambda key: finalize_invoice(invoice_id=key), "finalized")

    @admin.action(description="Void: it is owed no more", permissions=["settle"])
    def void(self, request: HttpRequest, invoices: QuerySet[Invoice]) -> None:
        self._apply(request, invoices, lambda key: void_invoice(invoice_id=key), "voided")

    def _apply(
        self,
        request: HttpRequest,
        invoices: QuerySet[Invoice],
        service: Callable[[UUID], Any],
        done: str,
    ) -> None:
        changed = 0
        for invoice in invoices.select_related("subscriber"):
            try:
                service(invoice.pk)
            except AMSError as error:
                self.message_user(request, f"{invoice.subscriber}: {error}", messages.ERROR)
            else:
                changed += 1
                self.log_change(request, invoice, f"Invoice {done}.")
        if changed:
            self.message_user(request, f"{changed} invoices {done}.", messages.SUCCESS)
