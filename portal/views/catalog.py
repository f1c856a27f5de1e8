"""The catalog: products, their plans, and the reference of each API."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ams import api as ams_api
from ams.errors import NotFound
from portal.curl_example import first_read, write_curl
from portal.pages import public_page
from portal.plan_words import describe_plan

_MAX_SEARCH = 100


@require_safe
@public_page
def products(request: HttpRequest) -> HttpResponse:
    """Show the list; htmx asks for the results alone while one types."""
    search = request.GET.get("q", "").replace("\0", "")[:_MAX_SEARCH].strip()
    context = {"products": ams_api.list_products(search=search), "search": search}
    is_partial = bool(getattr(request, "htmx", False))
    template = "portal/_product_results.html" if is_partial else "portal/products.html"
    response = render(request, template, context)
    response.headers["Vary"] = "HX-Request, Cookie"
    return response


@require_safe
@public_page
def product(request: HttpRequest, slug: str) -> HttpResponse:
    found = ams_api.get_product(slug=slug)
    plans = [(plan, describe_plan(plan)) for plan in found.plans]
    return render(request, "portal/product.html", {"product": found, "plans": plans})


@require_safe
@public_page
def api_reference(request: HttpRequest, slug: str, api_slug: str) -> HttpResponse:
    """Operations with the scopes they need, and a command line for each."""
    found = ams_api.get_product(slug=slug)
    api = next((item for item in found.apis if item.slug == api_slug), None)
    if api is None:
        raise NotFound("This product has no such API.")
    operations = [(operation, write_curl(api, operation)) for operation in api.operations]
    context = {
        "product": found,
        "api": api,
        "operations": operations,
        "curl": write_curl(api, first_read(api)),
    }
    return render(request, "portal/api_reference.html", context)
