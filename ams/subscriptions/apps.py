"""The subscriptions layer of API management as a Django app."""

from django.apps import AppConfig


class SubscriptionsConfig(AppConfig):
    name = "ams.subscriptions"
