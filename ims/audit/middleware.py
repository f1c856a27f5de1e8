"""Binds each request as the origin of the audit events written while it is served."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from ims.audit.context import AuditContext, bind


class AuditContextMiddleware:
    """Costs one assignment a request; nothing is read of it unless an event is written."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve `request` with its audit context bound."""
        with bind(AuditContext(request=request)):
            return self.get_response(request)
