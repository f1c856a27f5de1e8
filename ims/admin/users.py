"""People in admin."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from ims.audit.events import Event
from ims.models import User
from ims.services.activate_person import activate_person
from ims.services.change_password import change_password
from ims.services.deactivate_person import deactivate_person
from ims.services.end_person_access import end_person_access


def change_own_password(request: HttpRequest, extra_context: object = None) -> HttpResponse:
    """Send administrators where everybody changes their password, which ends what it opened."""
    del request, extra_context
    return HttpResponseRedirect(reverse("account_change_password"))


class PasswordForm(AdminPasswordChangeForm):
    """A password that an administrator sets ends what the one before opened, like any other."""

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002 - Django's signature
        """Change the password by the service; None makes one that nobody can use."""
        del commit
        is_usable = self.cleaned_data.get("set_usable_password", True)
        user: User = self.user
        change_password(
            user=user,
            password=self.cleaned_data["password1"] if is_usable else None,
            event=Event.PASSWORD_CHANGED,
        )
        return user


class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[type-arg]  # no generics at run time
    """People are deactivated, never deleted: deleting would not tell the gateways."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = PasswordForm
    list_display = ("username", "email", "first_name", "last_name", "is_staff", "is_active")
    readonly_fields = ("subject", "is_active", "last_login", "date_joined")
    actions = ("deactivate", "activate", "end_access")

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
        activated = sum(activate_person(user=person) for person in queryset)
        messages.success(request, f"Activated: {activated}.")

    @admin.action(description="Revoke what applications hold", permissions=["change"])
    def end_access(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """End every authorization of the chosen people; they stay signed in here."""
        revoked = sum(end_person_access(user=person) for person in queryset)
        messages.success(request, f"Authorizations revoked: {revoked}.")
