"""Remembered consents in admin."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from ims.admin.read_only import ReadOnlyAdmin
from ims.models import Consent
from ims.services.withdraw_consent import withdraw_consent


class ConsentAdmin(ReadOnlyAdmin):
    """What people answered on the consent page."""

    list_display = ("user", "client", "scopes", "granted_at")
    list_select_related = ("user", "client")
    search_fields = ("user__email", "client__client_id", "client__name")
    fields = ("user", "client", "scopes", "resources", "granted_at")
    ordering = ("-granted_at",)
    actions = ("withdraw",)

    @admin.action(description="Withdraw, and revoke every token", permissions=["change"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Consent]) -> None:
        """Withdraw the chosen consents: the applications must ask anew."""
        consents = list(queryset.select_related("user", "client"))
        for consent in consents:
            withdraw_consent(consent=consent)
        messages.success(request, f"Withdrawn: {len(consents)}.")
