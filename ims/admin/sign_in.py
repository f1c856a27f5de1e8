"""How people sign in, in admin: addresses, second factors and sessions.

In place of allauth's own pages, on which the secret of a factor can be read and a session edited.
"""

from allauth.account.admin import EmailAddressAdmin as AllauthEmailAddressAdmin
from allauth.mfa.models import Authenticator
from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from ims.admin.read_only import ReadOnlyAdmin
from ims.services.remove_second_factor import remove_second_factor
from ims.views.account_words import describe_browser


class EmailAddressAdmin(AllauthEmailAddressAdmin, ModelAdmin):
    """allauth's own page in the admin's looks."""


class AuthenticatorAdmin(ReadOnlyAdmin):
    """Second factors; what they hold is nobody's reading."""

    list_display = ("user", "type", "created_at", "last_used_at")
    list_select_related = ("user",)
    list_filter = ("type",)
    search_fields = ("user__email", "user__username")
    fields = ("user", "type", "created_at", "last_used_at")
    ordering = ("-created_at",)
    actions = ("remove",)

    @admin.action(description="Remove: the person lost it", permissions=["change"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Authenticator]) -> None:
        """Remove the chosen factors; their owners are told by mail."""
        for authenticator in queryset:
            remove_second_factor(authenticator=authenticator)
        messages.success(request, f"Removed: {len(queryset)}.")


class UserSessionAdmin(ReadOnlyAdmin):
    """Where people are signed in; the key of a session is a credential and is not shown."""

    list_display = ("user", "browser", "ip", "created_at", "last_seen_at")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__username", "ip")
    fields = ("user", "user_agent", "ip", "created_at", "last_seen_at")
    ordering = ("-created_at",)
    actions = ("end",)

    @admin.display(description="browser")
    def browser(self, session: UserSession) -> str:
        """Return it in the words that its owner sees."""
        return describe_browser(session.user_agent)

    @admin.action(description="Sign out", permissions=["change"])
    def end(self, request: HttpRequest, queryset: QuerySet[UserSession]) -> None:
        """End the chosen sessions, not only the rows about them."""
        sessions = list(queryset.select_related("user"))
        get_adapter().end_sessions(sessions)
        messages.success(request, f"Signed out: {len(sessions)}.")
