"""The catalog layer of API management as a Django app."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "ams.catalog"
