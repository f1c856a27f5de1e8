"""The shapes of the management API, for answers and for the OpenAPI description.

Requests are read by `ams.spec_fields`, as YAML documents are; a test keeps the names
here and there the same.
"""

from typing import Any

from rest_framework import serializers

from ams.catalog.models import API
from ams.plans.models import PriceComponent, Quota, RateLimit
from ams.subscriptions.models import Subscription
from wire.usage_batch import Cause


class TargetSerializer(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=512, help_text="http://host:port or https://host/prefix")
    weight = serializers.IntegerField(required=False, help_text="1 to 100: its share of the calls.")


class HealthSerializer(serializers.Serializer[Any]):
    path = serializers.CharField(
        max_length=256, help_text="From the root of the host; a status from 200 to 299 is wanted."
    )
    interval_seconds = serializers.FloatField(required=False)
    timeout_seconds = serializers.FloatField(required=False)
    healthy_after = serializers.IntegerField(required=False, help_text="Successes in a row.")
    unhealthy_after = serializers.IntegerField(required=False, help_text="Failures in a row.")
    check_on_save = serializers.BooleanField(
        required=False, help_text="Refuse to save what does not answer. False: save it anyhow."
    )


class UpstreamSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(read_only=True)
    slug = serializers.CharField(max_length=50)
    url = serializers.CharField(
        required=False, max_length=512, help_text="The one address; empty where there are targets."
    )
    targets = TargetSerializer(many=True, required=False)
    allow_internal = serializers.BooleanField(
        required=False, help_text="Loopback and private addresses may be connected to."
    )
    connect_timeout_seconds = serializers.FloatField(required=False)
    first_byte_timeout_seconds = serializers.FloatField(required=False)
    idle_timeout_seconds = serializers.FloatField(required=False)
    total_timeout_seconds = serializers.FloatField(
        required=False,
        help_text="From the request to the last byte of the answer; 0: no limit.",
    )
    ca_pem = serializers.CharField(required=False, help_text="Certificates to trust, as PEM.")
    health = HealthSerializer(required=False, allow_null=True)
    eject_after = serializers.IntegerField(
        required=False, help_text="Failed calls in a row; 0: never."
    )
    ejection_seconds = serializers.FloatField(required=False)


class IssuerClientSerializer(serializers.Serializer[Any]):
    client_id = serializers.CharField(max_length=255)
    subscribed_as = serializers.CharField(
        max_length=255, help_text="The client id of the subscription that its calls count for."
    )


class IssuerSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(read_only=True)
    slug = serializers.CharField(max_length=50)
    issuer = serializers.CharField(max_length=512, help_text="The `iss` of its tokens.")
    jwks_uri = serializers.CharField(
        required=False, max_length=512, help_text="Empty: by discovery."
    )
    audience = serializers.CharField(
        required=False,
        max_length=512,
        help_text="The `aud` of its tokens. Empty: the resource of the API.",
    )
    algorithms = serializers.ListField(child=serializers.CharField(), required=False)
    scope_claim = serializers.CharField(required=False, max_length=64)
    client_id_claim = serializers.CharField(required=False, max_length=64)
    clients = IssuerClientSerializer(
        many=True,
        required=False,
        help_text="Clients without a row are subscribed as `<slug>:<client id>`.",
    )
    ca_pem = serializers.CharField(required=False, help_text="Certificates to trust, as PEM.")


class CORSSerializer(serializers.Serializer[Any]):
    origins = serializers.ListField(
        child=serializers.CharField(max_length=256), help_text="https://app.example, or * alone."
    )
    methods = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="None: those that the path has."
    )
    headers = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Header names in lower case; authorization, content-type and dpop always may.",
    )
    exposed_headers = serializers.ListField(child=serializers.CharField(), required=False)
    credentials = serializers.BooleanField(required=False)
    max_age_seconds = serializers.IntegerField(required=False)


class ScopeSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=128)
    description = serializers.CharField(required=False, max_length=256)


class OperationSerializer(serializers.Serializer[Any]):
    operation_id = serializers.CharField(max_length=128)
    method = serializers.CharField(help_text="GET, POST, … or * for any")
    path = serializers.CharField(max_length=256, help_text="/orders/{order_id}")
    summary = serializers.CharField(required=False, max_length=256)
    scopes = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="All of them are required."
    )
    acr_values = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Instead of the API's."
    )
    max_auth_age_seconds = serializers.IntegerField(required=False, allow_null=True)


class APISerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(read_only=True)
    slug = serializers.CharField(max_length=50)
    name = serializers.CharField(max_length=128)
    base_path = serializers.CharField(max_length=128, help_text="/orders/v1")
    upstream = serializers.CharField(help_text="The slug of an upstream.")
    version = serializers.CharField(required=False, max_length=32)
    summary = serializers.CharField(required=False, max_length=256)
    description = serializers.CharField(required=False)
    documentation_url = serializers.CharField(
        required=False, max_length=512, help_text="For developers, outside the portal."
    )
    tags = serializers.ListField(child=serializers.CharField(max_length=32), required=False)
    state = serializers.ChoiceField(choices=API.State.choices, required=False)
    resource = serializers.CharField(
        required=False,
        help_text="What tokens are made for (RFC 8707). Empty: gateway URL and base path.",
    )
    allow_encoded_slash = serializers.BooleanField(required=False)
    max_body_bytes = serializers.IntegerField(required=False)
    allow_websocket = serializers.BooleanField(
        required=False, help_text="Connections may become WebSockets, on GET operations."
    )
    websocket_origins = serializers.ListField(
        child=serializers.CharField(max_length=256),
        required=False,
        help_text="Web pages that may open one, as https://app.example; empty: any.",
    )
    websocket_idle_seconds = serializers.FloatField(
        required=False, help_text="A WebSocket on which nothing moves is closed after it."
    )
    claims = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Claims of the user that the upstream's JWT carries.",
    )
    cors = CORSSerializer(required=False, allow_null=True)
    acr_values = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="One of them must be the token's `acr` (RFC 9470).",
    )
    max_auth_age_seconds = serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="How long ago the user may have signed in (RFC 9470).",
    )
    requires_bound_tokens = serializers.BooleanField(
        required=False, help_text="Bearer tokens are refused; DPoP or a certificate is needed."
    )
    requires_dpop_nonce = serializers.BooleanField(
        required=False, help_text="A DPoP proof must hold a nonce of the gateway."
    )
    issuers = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Slugs of the foreign issuers whose JWT access tokens are taken.",
    )
    scopes = ScopeSerializer(many=True, required=False)
    operations = OperationSerializer(many=True, required=False)
    openapi = serializers.DictField(required=False, allow_null=True)


class ProductSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(read_only=True)
    slug = serializers.CharField(max_length=50)
    name = serializers.CharField(max_length=128)
    summary = serializers.CharField(required=False, max_length=256)
    description = serializers.CharField(required=False)
    is_published = serializers.BooleanField(required=False)
    apis = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Slugs of APIs."
    )


class RateLimitSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(
        required=False, max_length=50, help_text="In RateLimit-Policy; rate if left out."
    )
    calls = serializers.IntegerField()
    window_seconds = serializers.IntegerField(required=False)
    burst = serializers.IntegerField(
        required=False, allow_null=True, help_text="How many at once; null: all."
    )
    per = serializers.ChoiceField(choices=RateLimit.Per.choices, required=False)
    each_operation = serializers.BooleanField(
        required=False, help_text="Each operation has a counter of its own."
    )
    operations = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="Only calls of these count: get_order, or orders/get_order. Empty: all.",
    )


class ThrottleSerializer(serializers.Serializer[Any]):
    calls = serializers.IntegerField()
    window_seconds = serializers.IntegerField(required=False)


class QuotaSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(
        required=False, max_length=50, help_text="In RateLimit-Policy; quota if left out."
    )
    calls = serializers.IntegerField()
    period = serializers.ChoiceField(choices=Quota.Period.choices, required=False)
    overage = serializers.ChoiceField(choices=Quota.Overage.choices, required=False)
    throttle = ThrottleSerializer(
        required=False, allow_null=True, help_text="What is left, where the overage is throttle."
    )


class BillableSerializer(serializers.Serializer[Any]):
    statuses = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="4xx, 404 or 400-403"
    )
    causes = serializers.ListField(
        child=serializers.ChoiceField(choices=[cause.value for cause in Cause]),
        required=False,
        help_text="Who made the call end as it did: upstream (the API answered), client (the"
        " gateway refused it, or the client left), gateway (no whole answer could be had).",
    )


class _PriceField(serializers.DecimalField):
    """A price per call in major units; answered as text, so that it stays exact."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=20, decimal_places=10, normalize_output=True, **options)


class TierSerializer(serializers.Serializer[Any]):
    up_to = serializers.IntegerField(required=False, allow_null=True, help_text="null: no end.")
    unit_price = _PriceField()


class ComponentSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=PriceComponent.Kind.choices)
    label = serializers.CharField(max_length=128)  # type: ignore[assignment]  # hides Field.label
    amount_minor = serializers.IntegerField(
        required=False, allow_null=True, help_text="Flat fee per period, in minor units."
    )
    unit_price = _PriceField(required=False, allow_null=True)
    included_calls = serializers.IntegerField(required=False)
    tiers = TierSerializer(many=True, required=False)


class PlanSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(read_only=True)
    product = serializers.CharField(read_only=True, help_text="The product of the address.")
    slug = serializers.CharField(max_length=50)
    name = serializers.CharField(max_length=64)
    description = serializers.CharField(required=False)
    position = serializers.IntegerField(required=False)
    is_published = serializers.BooleanField(required=False)
    requires_approval = serializers.BooleanField(required=False)
    currency = serializers.CharField(required=False, help_text="ISO 4217: EUR")
    timezone = serializers.CharField(required=False, help_text="Europe/Berlin")
    rate_limits = RateLimitSerializer(many=True, required=False)
    quotas = QuotaSerializer(many=True, required=False)
    rate_limit = RateLimitSerializer(
        required=False,
        allow_null=True,
        write_only=True,
        help_text="Of earlier releases: a list of one.",
    )
    quota = QuotaSerializer(
        required=False,
        allow_null=True,
        write_only=True,
        help_text="Of earlier releases: a list of one.",
    )
    billable = BillableSerializer(required=False)
    components = ComponentSerializer(many=True, required=False)


class SubscriberSerializer(serializers.Serializer[Any]):
    subject = serializers.CharField(help_text="The `sub` of the token service.")
    name = serializers.CharField(required=False)
    email = serializers.EmailField(required=False)


class NewSubscriptionSerializer(serializers.Serializer[Any]):
    client_id = serializers.CharField(max_length=255)
    product = serializers.CharField()
    plan = serializers.CharField()
    subscriber = SubscriberSerializer()
    application_name = serializers.CharField(required=False, max_length=128)
    activated_at = serializers.DateTimeField(
        required=False,
        allow_null=True,
        help_text="Makes it active since then, without asking for approval.",
    )


class SubscriptionSerializer(NewSubscriptionSerializer):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=Subscription.Status.choices)
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, max_length=256)


class OpenAPIImportSerializer(serializers.Serializer[Any]):
    document = serializers.CharField(help_text="The OpenAPI document as text, JSON or YAML.")
    upstream = serializers.CharField(required=False, help_text="Needed for a new API.")
    slug = serializers.CharField(required=False, help_text="Empty: made from the title.")
    base_path = serializers.CharField(required=False, help_text="Empty: of the first server.")


class ImportedAPISerializer(serializers.Serializer[Any]):
    api = APISerializer()
    warnings = serializers.ListField(child=serializers.CharField())
