"""Probes, and the development mailbox."""

from django.urls import path

from config import operations

urlpatterns = [
    path("healthz", operations.healthz),
    path("readyz", operations.readyz),
]
