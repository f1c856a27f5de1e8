"""Puts what administrators change into the audit log, whichever app's page they used."""

from collections.abc import Callable
from typing import Final

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from ims.audit.events import Event
from ims.models import User
from ims.services.record_audit_event import record_audit_event

_WORDS: Final = {ADDITION: "added", CHANGE: "changed", DELETION: "deleted"}


class AdminAuditMiddleware:
    """After each form of admin: a line for every change that Django's admin has logged for it.

    What goes by our services records itself as well; what is only here are the pages that change a
    row in place. Two statements for each form, none for other requests.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Serve `request` and record what changed."""
        if request.method != "POST" or not request.path.startswith(reverse("admin:index")):
            return self.get_response(request)
        user = request.user
        if not isinstance(user, User):
            return self.get_response(request)
        log = LogEntry.objects.filter(user=user).order_by("pk")
        last = log.values_list("pk", flat=True).last() or 0
        response = self.get_response(request)
        for entry in log.filter(pk__gt=last).select_related("content_type"):
            _record(entry)
        if not request.user.is_authenticated:  # admin's own way out
            record_audit_event(event=Event.LOGOUT, subject=str(user.subject))
        return response


def _record(entry: LogEntry) -> None:
    """Record one change; the object is named by its key, for its text may be an address."""
    kind = entry.content_type
    record_audit_event(
        event=Event.ADMIN_CHANGED,
        detail={
            "change": _WORDS.get(entry.action_flag, "changed"),
            "kind": f"{kind.app_label}.{kind.model}" if kind else "",
            "key": entry.object_id,
            "fields": entry.get_change_message(),
        },
    )
