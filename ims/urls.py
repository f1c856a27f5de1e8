"""The token service's addresses; every endpoint module is headed by its RFC section."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
