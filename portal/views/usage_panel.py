"""The usage panel: drawn into a page, then again by a poll every 2 s while it is live."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from portal.usage_view import UsageView


def panel_context(
    request: HttpRequest, usage: UsageView, route: str, subject_id: uuid.UUID
) -> dict[str, Any]:
    return {
        "usage": usage,
        "is_live": request.GET.get("live") != "0",
        "panel_url": reverse(route, args=[subject_id]),
        "page_url": reverse(route.removesuffix("_usage"), args=[subject_id]),
    }


def answer_panel(
    request: HttpRequest, usage: UsageView, route: str, subject_id: uuid.UUID
) -> HttpResponse:
    """Answer 204 while nothing changed: htmx then leaves the page, and the focus, alone."""
    context = panel_context(request, usage, route, subject_id)
    if not getattr(request, "htmx", False):
        live = "" if context["is_live"] else "?live=0"
        return redirect(f"{context['page_url']}{live}")
    if request.GET.get("version") == usage.version:
        return HttpResponse(status=204)
    return render(request, "portal/_usage_panel.html", context)
