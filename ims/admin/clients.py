"""Clients in admin."""

from unfold.admin import ModelAdmin

from ims.models import Client


class ClientAdmin(ModelAdmin):
    """The master record of every application; secrets are never shown."""

    list_display = ("client_id", "name", "client_type", "registration_source", "created")
    search_fields = ("client_id", "name")
    readonly_fields = ("client_id", "registration_source")
    exclude = ("registration_access_token_digest",)
    model = Client
