"""The developer portal's pages."""

from django.urls import path

from portal.views import (
    application_changes,
    applications,
    catalog,
    home,
    invoices,
    sign_in,
    subscriptions,
)

app_name = "portal"
urlpatterns = [
    path("", home.home, name="home"),
    path("login/", sign_in.start, name="login"),
    path("login/callback/", sign_in.callback, name="callback"),
    path("signup/", sign_in.sign_up, name="sign_up"),
    path("logout/", sign_in.sign_out, name="logout"),
    path("apis/", catalog.products, name="products"),
    path("apis/<slug:slug>/", catalog.product, name="product"),
    path(
        "apis/<slug:slug>/reference/<slug:api_slug>/", catalog.api_reference, name="api_reference"
    ),
    path("apis/<slug:slug>/plans/<slug:plan_slug>/", subscriptions.subscribe, name="subscribe"),
    path("apps/", applications.applications, name="applications"),
    path("apps/new/", application_changes.new_application, name="application_new"),
    path("apps/<uuid:application_id>/", applications.application, name="application"),
    path(
        "apps/<uuid:application_id>/usage/",
        applications.application_usage,
        name="application_usage",
    ),
    path(
        "apps/<uuid:application_id>/edit/",
        application_changes.edit_application,
        name="application_edit",
    ),
    path(
        "apps/<uuid:application_id>/rotate/",
        application_changes.rotate_application_secret,
        name="application_rotate",
    ),
    path(
        "apps/<uuid:application_id>/delete/",
        application_changes.remove_application,
        name="application_delete",
    ),
    path("subscriptions/", subscriptions.subscriptions, name="subscriptions"),
    path("subscriptions/<uuid:subscription_id>/", subscriptions.subscription, name="subscription"),
    path(
        "subscriptions/<uuid:subscription_id>/usage/",
        subscriptions.subscription_usage,
        name="subscription_usage",
    ),
    path(
        "subscriptions/<uuid:subscription_id>/cancel/",
        subscriptions.cancel_subscription,
        name="subscription_cancel",
    ),
    path("invoices/", invoices.invoices, name="invoices"),
    path("invoices/<uuid:invoice_id>/", invoices.invoice, name="invoice"),
]
