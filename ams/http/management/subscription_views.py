"""`/api/v1/subscriptions`: who may use which plan with which client."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ams.data import SubscriberRef
from ams.http.management import serializers
from ams.http.management.requests import NewSubscription, Reason
from ams.http.management.resource_views import ManagementViewSet, read_request
from ams.plans.queries.get_plan_id import get_plan_id
from ams.subscriptions.models import Subscription
from ams.subscriptions.services.approve_subscription import approve_subscription
from ams.subscriptions.services.cancel_subscription import cancel_subscription
from ams.subscriptions.services.reject_subscription import reject_subscription
from ams.subscriptions.services.resume_subscription import resume_subscription
from ams.subscriptions.services.subscribe_to_plan import subscribe_to_plan
from ams.subscriptions.services.suspend_subscription import suspend_subscription


class SubscriptionViewSet(ManagementViewSet):
    """Subscriptions, and what administrators do with them."""

    serializer_class = serializers.SubscriptionSerializer
    queryset = Subscription.objects.select_related("plan__product", "subscriber").order_by(
        "-created_at", "-pk"
    )

    def get_queryset(self) -> QuerySet[Any]:
        """Return all, or those with the `status` and `client_id` of the query."""
        wanted = {
            name: self.request.query_params[name].replace("\x00", "")
            for name in ("status", "client_id")
            if name in self.request.query_params
        }
        return super().get_queryset().filter(**wanted)

    @extend_schema(parameters=[OpenApiParameter("status"), OpenApiParameter("client_id")])
    def list(self, request: Request) -> Response:
        """Return a page of subscriptions, the newest first."""
        del request
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response([self._represent(row) for row in page or []])

    def retrieve(self, request: Request, **path: str) -> Response:
        """Return one."""
        del request, path
        return Response(self._represent(self.get_object()))

    @extend_schema(
        request=serializers.NewSubscriptionSerializer,
        responses={201: serializers.SubscriptionSerializer},
    )
    def create(self, request: Request) -> Response:
        """Subscribe a client: active at once when the plan is free, else waiting for approval."""
        wanted = read_request(NewSubscription, request.data)
        who = wanted.subscriber
        subscription = subscribe_to_plan(
            subscriber=SubscriberRef(subject=who.subject, name=who.name, email=who.email),
            client_id=wanted.client_id,
            application_name=wanted.application_name,
            plan_id=get_plan_id(product=wanted.product, slug=wanted.plan),
            activated_at=wanted.activated_at,
        )
        return Response(self._represent(subscription), status=status.HTTP_201_CREATED)

    @extend_schema(request=None)
    def approve(self, request: Request, **path: str) -> Response:
        """Let a waiting subscription in."""
        del request, path
        return self._answer(approve_subscription(subscription_id=self.get_object().pk))

    @extend_schema(request=serializers.ReasonSerializer)
    def reject(self, request: Request, **path: str) -> Response:
        """Turn a waiting subscription down."""
        del path
        reason = _reason(request)
        return self._answer(
            reject_subscription(subscription_id=self.get_object().pk, reason=reason)
        )

    @extend_schema(request=serializers.ReasonSerializer)
    def suspend(self, request: Request, **path: str) -> Response:
        """Stop an active subscription for a while."""
        del path
        reason = _reason(request)
        return self._answer(
            suspend_subscription(subscription_id=self.get_object().pk, reason=reason)
        )

    @extend_schema(request=None)
    def resume(self, request: Request, **path: str) -> Response:
        """End a suspension."""
        del request, path
        return self._answer(resume_subscription(subscription_id=self.get_object().pk))

    @extend_schema(request=serializers.ReasonSerializer)
    def cancel(self, request: Request, **path: str) -> Response:
        """End a subscription for good."""
        del path
        reason = _reason(request)
        return self._answer(
            cancel_subscription(subscription_id=self.get_object().pk, reason=reason)
        )

    def _answer(self, subscription: Subscription) -> Response:
        return Response(self._represent(subscription))

    def _represent(self, row: Subscription) -> Any:
        values = {name: getattr(row, name) for name in _COPIED}
        values |= {"product": row.plan.product.slug, "plan": row.plan.slug}
        return self.get_serializer(values).data


_COPIED = (
    "id",
    "client_id",
    "application_name",
    "subscriber",
    "status",
    "reason",
    "created_at",
    "activated_at",
    "ended_at",
)


def _reason(request: Request) -> str:
    wanted: Reason = read_request(Reason, request.data or {})
    return wanted.reason
