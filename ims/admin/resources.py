"""The registry of protected resources in admin."""

from django.http import HttpRequest
from unfold.admin import TabularInline

from ims.admin.read_only import ReadOnlyAdmin
from ims.models import ResourceScope


class ScopeInline(TabularInline):
    """Its scopes; API management registers them."""

    model = ResourceScope
    fields = readonly_fields = ("name", "description")
    extra = 0
    max_num = 0
    can_delete = False


class ProtectedResourceAdmin(ReadOnlyAdmin):
    """An API as the token service knows it; it is changed where it is published."""

    list_display = ("resource", "name", "registered_by", "updated_at")
    search_fields = ("resource", "name")
    fields = ("resource", "name", "claims", "introspection_clients", "registered_by", "updated_at")
    inlines = (ScopeInline,)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody: the next declaration would undo it."""
        del request, obj
        return False
