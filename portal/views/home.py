"""The start page: what we offer, or where a signed-in developer stands."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ams import api as ams_api
from ams.data import SubscriptionData
from portal.curl_example import CurlExample, first_read, write_curl
from portal.models import Developer
from portal.pages import find_developer, public_page
from portal.queries.get_application import list_applications
from portal.queries.get_usage_view import get_usage_view
from portal.subscriber import subscriber_of

_FEATURED = 3
_SHOWN = 4


@require_safe
@public_page
def home(request: HttpRequest) -> HttpResponse:
    developer = find_developer(request)
    if developer is None:
        products = ams_api.list_products()[:_FEATURED]
        return render(request, "portal/landing.html", {"products": products})
    response = render(request, "portal/dashboard.html", _dashboard(developer))
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _dashboard(developer: Developer) -> dict[str, object]:
    applications = list_applications(developer=developer)
    subscriptions = ams_api.list_subscriptions(subscriber=subscriber_of(developer))
    active = [item for item in subscriptions if item.status == "active"]
    usage = get_usage_view(developer=developer, subscriptions=active)
    steps = (bool(applications), bool(active), bool(usage.calls))
    return {
        "developer": developer,
        "applications": applications[:_SHOWN],
        "application_count": len(applications),
        "subscriptions": [item for item in subscriptions if item.ended_at is None][:_SHOWN],
        "pending": next((item for item in subscriptions if item.status == "pending"), None),
        "active_count": len(active),
        "usage": usage,
        "steps": steps,
        "steps_done": sum(steps),
        "current_step": steps.index(False) + 1 if False in steps else 0,
        "curl": _first_call(active),
    }


def _first_call(active: list[SubscriptionData]) -> CurlExample | None:
    """Return the command lines for the newest active subscription's first API."""
    if not active:
        return None
    product = ams_api.get_product(slug=active[0].plan.product_slug)
    if not product.apis:
        return None
    api = product.apis[0]
    return write_curl(api, first_read(api), client_id=active[0].client_id)
