"""The composition root as a Django app, so that its management commands are found."""

from importlib import import_module

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        import_module("config.celery")  # `shared_task` binds to the application that exists
        import_module("config.checks")  # registers them
