"""Subscriptions as documents and the REST API hand them to the services."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberSpec:
    subject: str
    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionSpec:
    """An open subscription. `product` and `plan` are slugs."""

    client_id: str
    product: str
    plan: str
    subscriber: SubscriberSpec
    application_name: str = ""
    status: str = "active"
    activated_at: datetime | None = None
