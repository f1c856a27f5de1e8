"""Subscriptions: subscribe an application to a plan, watch it, cancel it."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from ams import api as ams_api
from ams.data import PlanData, ProductData, SubscriptionData
from ams.errors import NotFound
from portal.curl_example import first_read, write_curl
from portal.forms import NEW_APPLICATION, SubscribeForm, apply_form
from portal.models import Application
from portal.once import claim_submission
from portal.pages import DeveloperRequest, developer_page
from portal.plan_words import describe_plan
from portal.queries.get_application import list_applications
from portal.queries.get_usage_view import get_usage_view
from portal.services.register_application import RegisteredApplication, register_application
from portal.services.subscribe_application import subscribe_application
from portal.subscriber import subscriber_of
from portal.views.application_changes import ALREADY_SENT, show_credentials
from portal.views.usage_panel import answer_panel, panel_context


@require_http_methods(["GET", "HEAD", "POST"])
@developer_page
def subscribe(request: DeveloperRequest, slug: str, plan_slug: str) -> HttpResponse:
    product, plan = _get_plan(slug, plan_slug)
    applications = list_applications(developer=request.developer)
    form = SubscribeForm(
        request.POST if request.method == "POST" else None, applications=applications
    )
    if request.method == "POST" and form.is_valid():
        if not claim_submission(form.cleaned_data["submission"]):
            messages.info(request, ALREADY_SENT)
            return redirect("portal:subscriptions")
        answer = _subscribe(request, form, plan, applications)
        if answer is not None:
            return answer
    form.renew_submission()
    context = {
        "form": form,
        "product": product,
        "plan": plan,
        "words": describe_plan(plan),
        "applications": applications,
        "scopes": sorted({scope.name for api in product.apis for scope in api.scopes}),
    }
    return render(request, "portal/subscribe.html", context)


@require_safe
@developer_page
def subscriptions(request: DeveloperRequest) -> HttpResponse:
    found = ams_api.list_subscriptions(subscriber=subscriber_of(request.developer))
    return render(request, "portal/subscriptions.html", {"subscriptions": found})


@require_safe
@developer_page
def subscription(request: DeveloperRequest, subscription_id: uuid.UUID) -> HttpResponse:
    found = _get_subscription(request, subscription_id)
    usage = get_usage_view(developer=request.developer, subscriptions=[found])
    product = ams_api.get_product(slug=found.plan.product_slug)
    applications = list_applications(developer=request.developer)
    context = {
        "subscription": found,
        "words": describe_plan(found.plan),
        "application": _find(applications, found.client_id),
        "examples": [
            (api, write_curl(api, first_read(api), client_id=found.client_id))
            for api in product.apis
        ],
        "product": product,
        **panel_context(request, usage, "portal:subscription_usage", found.id),
    }
    return render(request, "portal/subscription.html", context)


@require_safe
@developer_page
def subscription_usage(request: DeveloperRequest, subscription_id: uuid.UUID) -> HttpResponse:
    """Answer the poll with the usage panel alone."""
    found = _get_subscription(request, subscription_id)
    usage = get_usage_view(developer=request.developer, subscriptions=[found])
    return answer_panel(request, usage, "portal:subscription_usage", found.id)


@require_http_methods(["GET", "HEAD", "POST"])
@developer_page
def cancel_subscription(request: DeveloperRequest, subscription_id: uuid.UUID) -> HttpResponse:
    found = _get_subscription(request, subscription_id)
    if request.method == "POST":
        ams_api.cancel_subscription(
            subscriber=subscriber_of(request.developer), subscription_id=found.id
        )
        messages.success(request, f"{found.plan.product_name} was cancelled.")
        return redirect("portal:subscription", found.id)
    return render(request, "portal/subscription_cancel.html", {"subscription": found})


def _subscribe(
    request: DeveloperRequest,
    form: SubscribeForm,
    plan: PlanData,
    applications: tuple[Application, ...],
) -> HttpResponse | None:
    """Subscribe the chosen application, made just now where asked; None for a refused form."""
    registered: RegisteredApplication | None = None
    chosen = form.cleaned_data["application"]
    if chosen == NEW_APPLICATION:
        registered = apply_form(
            form,
            lambda: register_application(
                developer=request.developer, name=form.cleaned_data["name"]
            ),
        )
        if registered is None:
            return None
        application = registered.application
    else:
        application = next(item for item in applications if str(item.id) == chosen)
    made = apply_form(form, lambda: subscribe_application(application=application, plan_id=plan.id))
    if made is None:
        return None
    messages.success(request, _describe(made))
    url = reverse("portal:subscription", args=[made.id])
    if registered is not None:
        return show_credentials(
            request, application, registered.client_secret, is_new=True, next_url=url
        )
    return redirect(url)


def _describe(made: SubscriptionData) -> str:
    if made.status == "pending":
        return f"{made.plan.product_name} was asked for. Calls work once it is approved."
    return f"{made.application_name} may call {made.plan.product_name} now."


def _get_plan(slug: str, plan_slug: str) -> tuple[ProductData, PlanData]:
    product = ams_api.get_product(slug=slug)
    for plan in product.plans:
        if plan.slug == plan_slug:
            return product, plan
    raise NotFound("This product has no such plan.")


def _get_subscription(request: DeveloperRequest, subscription_id: uuid.UUID) -> SubscriptionData:
    return ams_api.get_subscription(
        subscriber=subscriber_of(request.developer), subscription_id=subscription_id
    )


def _find(applications: tuple[Application, ...], client_id: str) -> Application | None:
    return next((item for item in applications if item.client_id == client_id), None)
