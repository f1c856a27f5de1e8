"""A developer's applications: the list, one of them, its usage."""

import uuid

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ams import api as ams_api
from portal.pages import DeveloperRequest, developer_page
from portal.queries.get_application import get_application, list_applications
from portal.queries.get_usage_view import get_usage_view
from portal.queries.read_registration import find_registration
from portal.recent_calls import show_recent_calls
from portal.subscriber import subscriber_of
from portal.views.usage_panel import answer_panel, panel_context


@require_safe
@developer_page
def applications(request: DeveloperRequest) -> HttpResponse:
    subscriptions = ams_api.list_subscriptions(subscriber=subscriber_of(request.developer))
    rows = [
        (
            application,
            [
                item
                for item in subscriptions
                if item.client_id == application.client_id and item.ended_at is None
            ],
        )
        for application in list_applications(developer=request.developer)
    ]
    return render(request, "portal/applications.html", {"rows": rows})


@require_safe
@developer_page
def application(request: DeveloperRequest, application_id: uuid.UUID) -> HttpResponse:
    found = get_application(developer=request.developer, application_id=application_id)
    subscriptions = ams_api.list_subscriptions(
        subscriber=subscriber_of(request.developer), client_id=found.client_id
    )
    usage = get_usage_view(
        developer=request.developer,
        subscriptions=[item for item in subscriptions if item.activated_at],
    )
    context = {
        "application": found,
        "record": find_registration(found),
        "subscriptions": subscriptions,
        "recent": show_recent_calls(
            developer=request.developer, subscriptions=subscriptions, chosen=request.GET
        ),
        **panel_context(request, usage, "portal:application_usage", found.id),
    }
    return render(request, "portal/application.html", context)


@require_safe
@developer_page
def application_usage(request: DeveloperRequest, application_id: uuid.UUID) -> HttpResponse:
    """Answer the poll with the usage panel alone."""
    found = get_application(developer=request.developer, application_id=application_id)
    subscriptions = ams_api.list_subscriptions(
        subscriber=subscriber_of(request.developer), client_id=found.client_id
    )
    usage = get_usage_view(
        developer=request.developer,
        subscriptions=[item for item in subscriptions if item.activated_at],
    )
    return answer_panel(request, usage, "portal:application_usage", found.id)
