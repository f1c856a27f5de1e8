"""The control API (for gateways) and the management API (for operators)."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
