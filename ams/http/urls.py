"""The control API (for gateways) and the management API (for operators)."""

from django.urls import URLPattern, URLResolver, include, path

from ams.http import control

urlpatterns: list[URLPattern | URLResolver] = [
    path("control/v1/usage-batches", control.accept_usage_batch),
    path("control/v1/usage-reports", control.accept_usage_report),
    path("control/v1/recent-calls", control.accept_recent_calls),
    path("control/v1/quota-usage", control.answer_quota_usage),
    path("api/", include("ams.http.management.urls")),
]
