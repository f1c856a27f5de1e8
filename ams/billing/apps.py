"""The billing layer of API management as a Django app."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "ams.billing"
