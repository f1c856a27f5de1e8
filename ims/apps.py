"""The Identity Management System as a Django app."""

from django.apps import AppConfig


class IMSConfig(AppConfig):
    name = "ims"
    verbose_name = "Identity"
