"""Admin pages that django-oauth-toolkit registers and that say nothing to an administrator."""

from django.contrib import admin
from django.http import HttpRequest


class HiddenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # any model
    """Digests and keys are no reading matter: the page stays out of the menu."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        del request
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        del request, obj
        return False

    def has_add_permission(self, request: HttpRequest) -> bool:
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        del request, obj
        return False
