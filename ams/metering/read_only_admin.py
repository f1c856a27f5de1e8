"""Admin pages to look at: what is counted or billed is not edited by hand."""

from typing import Any

from django.http import HttpRequest


class ReadOnlyAdmin:
    """Lets people with the view permission look; nobody adds, changes or deletes."""

    show_full_result_count = False  # a second count of a large table on every page

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        del request, obj
        return False
