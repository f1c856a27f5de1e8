"""The composition root as a Django app, so that its management commands are found."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"
