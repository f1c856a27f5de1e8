"""The metering layer of API management as a Django app."""

from django.apps import AppConfig


class MeteringConfig(AppConfig):
    name = "ams.metering"
