"""The plans layer of API management as a Django app."""

from django.apps import AppConfig


class PlansConfig(AppConfig):
    name = "ams.plans"
