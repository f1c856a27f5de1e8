"""Bodies of requests that are not the spec of a thing."""

from dataclasses import dataclass
from datetime import datetime

from ams.subscriptions.specs import SubscriberSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAPIImport:
    document: str
    upstream: str = ""
    slug: str = ""
    base_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubscription:
    client_id: str
    product: str
    plan: str
    subscriber: SubscriberSpec
    application_name: str = ""
    activated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    reason: str = ""
