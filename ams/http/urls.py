"""The control API (for gateways) and the management API (for operators)."""

from django.urls import URLPattern, path

from ams.http import control

urlpatterns: list[URLPattern] = [
    path("control/v1/usage-batches", control.accept_usage_batch),
]
