"""People in admin."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from ims.models import User
from ims.services.deactivate_person import deactivate_person


class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # no generics at run time
    """People are deactivated, never deleted: deleting would not tell the gateways."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "first_name", "last_name", "is_staff", "is_active")
    readonly_fields = ("subject", "is_active", "last_login", "date_joined")
    actions = ("deactivate", "activate")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Django's fieldsets, and the subject that applications know the person by."""
        fieldsets = super().get_fieldsets(request, obj)
        return fieldsets if obj is None else (*fieldsets, ("Tokens", {"fields": ("subject",)}))

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody."""
        del request, obj
        return False

    @admin.action(description="Deactivate and revoke every token", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Lock the chosen people out everywhere, but never the administrator who asks."""
        people = [person for person in queryset if person != request.user]
        for person in people:
            deactivate_person(user=person)
        messages.success(request, f"Deactivated: {len(people)}.")

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Let the chosen people sign in again; what they held before stays revoked."""
        messages.success(request, f"Activated: {queryset.update(is_active=True)}.")
