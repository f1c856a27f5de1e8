"""The registry of protected resources in admin: to read; APIs declare themselves over HTTP."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from ims.models import ProtectedResource, ResourceScope


class ReadOnly:
    """Nobody changes these rows by hand: the next declaration would undo it."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        del request, obj
        return False


class ResourceScopeInline(ReadOnly, TabularInline):
    """The scopes of one resource."""

    model = ResourceScope
    fields = ("name", "description")


@admin.register(ProtectedResource)
class ProtectedResourceAdmin(ReadOnly, ModelAdmin):
    """What tokens can be made for, and who may introspect them."""

    list_display = ("resource", "name", "list_scopes", "registered_by", "updated_at")
    search_fields = ("resource", "name")
    fields = ("resource", "name", "claims", "introspection_clients", "registered_by", "updated_at")
    inlines = (ResourceScopeInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ProtectedResource]:
        """Return the resources with their scopes, in two statements."""
        resources: QuerySet[ProtectedResource] = super().get_queryset(request)
        return resources.prefetch_related("scopes")

    @admin.display(description="scopes")
    def list_scopes(self, resource: ProtectedResource) -> str:
        """Return the names of the scopes between spaces."""
        return " ".join(sorted(scope.name for scope in resource.scopes.all()))
