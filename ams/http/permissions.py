"""Who may use the management API."""

from typing import TYPE_CHECKING, Final

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ams.http.bearer import BearerInfo
from wire.oauth_errors import InsufficientScope

if TYPE_CHECKING:  # REST framework imports this module while it imports that one
    from rest_framework.views import APIView

SCOPE: Final = "manage"


class HasManagementScope(BasePermission):
    """Lets a token with the scope `manage` in."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Return False without a token; raises InsufficientScope for one that may not."""
        del view
        if not isinstance(request.auth, BearerInfo):
            return False
        if SCOPE not in request.auth.scopes:
            raise InsufficientScope(f"The scope {SCOPE!r} is needed.", scope=SCOPE)
        return True
