"""Addresses of the management API: a line each."""

from typing import Any

from django.urls import path

from ams.http.management.catalog_views import (
    APIViewSet,
    IssuerViewSet,
    PlanViewSet,
    ProductViewSet,
    UpstreamViewSet,
)
from ams.http.management.description import DescriptionView, DocumentationView
from ams.http.management.subscription_views import SubscriptionViewSet

# Any, because the stubs want a mutable mapping to more than names.
_COLLECTION: Any = {"get": "list", "post": "create"}
_ITEM: Any = {"get": "retrieve", "put": "update", "delete": "destroy"}


urlpatterns = [
    path("v1/upstreams", UpstreamViewSet.as_view(_COLLECTION)),
    path("v1/upstreams/<slug:slug>", UpstreamViewSet.as_view(_ITEM)),
    path("v1/issuers", IssuerViewSet.as_view(_COLLECTION)),
    path("v1/issuers/<slug:slug>", IssuerViewSet.as_view(_ITEM)),
    path("v1/apis", APIViewSet.as_view(_COLLECTION)),
    path("v1/apis/<slug:slug>", APIViewSet.as_view(_ITEM)),
    path("v1/apis/<slug:slug>/retire", APIViewSet.as_view({"post": "retire"})),
    path("v1/openapi-imports", APIViewSet.as_view({"post": "import_document"})),
    path("v1/products", ProductViewSet.as_view(_COLLECTION)),
    path("v1/products/<slug:slug>", ProductViewSet.as_view(_ITEM)),
    path("v1/products/<slug:product>/plans", PlanViewSet.as_view(_COLLECTION)),
    path("v1/products/<slug:product>/plans/<slug:slug>", PlanViewSet.as_view(_ITEM)),
    path("v1/subscriptions", SubscriptionViewSet.as_view(_COLLECTION)),
    path("v1/subscriptions/<uuid:pk>", SubscriptionViewSet.as_view({"get": "retrieve"})),
    path("v1/subscriptions/<uuid:pk>/approve", SubscriptionViewSet.as_view({"post": "approve"})),
    path("v1/subscriptions/<uuid:pk>/reject", SubscriptionViewSet.as_view({"post": "reject"})),
    path("v1/subscriptions/<uuid:pk>/suspend", SubscriptionViewSet.as_view({"post": "suspend"})),
    path("v1/subscriptions/<uuid:pk>/resume", SubscriptionViewSet.as_view({"post": "resume"})),
    path("v1/subscriptions/<uuid:pk>/cancel", SubscriptionViewSet.as_view({"post": "cancel"})),
    path("schema/", DescriptionView.as_view(), name="management-schema"),
    path("docs/", DocumentationView.as_view(), name="management-docs"),
]
