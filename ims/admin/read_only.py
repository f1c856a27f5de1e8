"""Pages that show and never change."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """No form: what changes here changes by an action that calls a service.

    The right to change still decides who may run the actions.
    """

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds by hand."""
        del request
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody deletes a row: deleting would not tell the gateways."""
        del request, obj
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> list[str]:
        """Every field of the page."""
        del request, obj
        return [name for name in self.fields or () if isinstance(name, str)]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer no "Save" where there is nothing to change."""
        if not context["adminform"].form.fields and not context["inline_admin_formsets"]:
            context |= {"show_save": False, "show_save_and_continue": False}
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response
