"""Subscriptions in admin: read them, and decide on them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from ams.errors import AMSError
from ams.subscriptions.models import Subscriber, Subscription
from ams.subscriptions.services.approve_subscription import approve_subscription
from ams.subscriptions.services.cancel_subscription import cancel_subscription
from ams.subscriptions.services.reject_subscription import reject_subscription
from ams.subscriptions.services.resume_subscription import resume_subscription
from ams.subscriptions.services.suspend_subscription import suspend_subscription


@admin.register(Subscription)
class SubscriptionAdmin(ModelAdmin):
    list_display = (
        "application_name",
        "plan",
        "subscriber",
        "shown_status",
        "created_at",
        "activated_at",
    )
    list_filter = ("status", "plan__product", "plan")
    list_select_related = ("plan__product", "subscriber")
    search_fields = ("client_id", "application_name", "subscriber__email", "subscriber__name")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    readonly_fields = (
        "subscriber",
        "client_id",
        "application_name",
        "plan",
        "status",
        "created_at",
        "activated_at",
        "ended_at",
    )
    fields = (*readonly_fields, "reason")
    # Buttons are parts of the form, not links: a link could be slipped to an administrator.
    actions = ("approve", "reject", "suspend", "resume", "cancel")
    actions_submit_line = (
        "approve_this",
        "reject_this",
        "suspend_this",
        "resume_this",
        "cancel_this",
    )

    @display(
        description="Status",
        label={
            "pending": "warning",
            "active": "success",
            "suspended": "danger",
            "rejected": "danger",
            "cancelled": "info",
        },
    )
    def shown_status(self, subscription: Subscription) -> str:
        return subscription.status

    def has_add_permission(self, request: HttpRequest) -> bool:
        del request
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show the page without the buttons that would save nothing."""
        hidden = {"show_save": False, "show_save_and_continue": False}
        kwargs["extra_context"] = {**(kwargs.get("extra_context") or {}), **hidden}
        answer: HttpResponse = super().change_view(request, *args, **kwargs)
        return answer

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Run the pressed button's service; nothing else is saved here."""
        del form, change
        for button in self.get_actions_submit_line(request, obj.pk):
            if button.action_name in request.POST:
                button.method(request, obj)

    @action(description="Approve")
    def approve_this(self, request: HttpRequest, row: Subscription) -> None:
        self._run(request, row, lambda: approve_subscription(subscription_id=row.pk))

    @action(description="Reject")
    def reject_this(self, request: HttpRequest, row: Subscription) -> None:
        self._run(
            request, row, lambda: reject_subscription(subscription_id=row.pk, reason=row.reason)
        )

    @action(description="Suspend")
    def suspend_this(self, request: HttpRequest, row: Subscription) -> None:
        self._run(
            request, row, lambda: suspend_subscription(subscription_id=row.pk, reason=row.reason)
        )

    @action(description="Resume")
    def resume_this(self, request: HttpRequest, row: Subscription) -> None:
        self._run(request, row, lambda: resume_subscription(subscription_id=row.pk))

    @action(description="Cancel")
    def cancel_this(self, request: HttpRequest, row: Subscription) -> None:
        self._run(
            request, row, lambda: cancel_subscription(subscription_id=row.pk, reason=row.reason)
        )

    @admin.action(description="Approve", permissions=["change"])
    def approve(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        for row in rows:
            self.approve_this(request, row)

    @admin.action(description="Reject", permissions=["change"])
    def reject(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        for row in rows:
            self.reject_this(request, row)

    @admin.action(description="Suspend", permissions=["change"])
    def suspend(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        for row in rows:
            self.suspend_this(request, row)

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        for row in rows:
            self.resume_this(request, row)

    @admin.action(description="Cancel", permissions=["change"])
    def cancel(self, request: HttpRequest, rows: QuerySet[Subscription]) -> None:
        for row in rows:
            self.cancel_this(request, row)

    def _run(
        self, request: HttpRequest, row: Subscription, service: Callable[[], Subscription]
    ) -> None:
        try:
            saved = service()
        except AMSError as error:
            messages.error(request, f"{row.client_id}, {row.plan}: {error}")
            return
        self.log_change(request, row, f"Became {saved.status}.")
        messages.success(request, f"{row.client_id}, {row.plan}: {saved.status}.")


@admin.register(Subscriber)
class SubscriberAdmin(ModelAdmin):
    """Who is billed; the token service has the person's own record."""

    list_display = ("subject", "name", "email")
    search_fields = ("subject", "name", "email")

    def has_add_permission(self, request: HttpRequest) -> bool:
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False
