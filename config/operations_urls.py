"""Probes, and the development mailbox."""

from django.urls import path

from config import operations

urlpatterns = [
    path("healthz", operations.healthz),
    path("readyz", operations.readyz),
    path("mail/", operations.list_mail, name="mailbox"),
    path("mail/<int:index>/", operations.show_mail, name="mail"),
]
