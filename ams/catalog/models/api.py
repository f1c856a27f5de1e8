"""APIs: what they offer, where they are mounted, where calls go."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from ams.catalog.models.issuer import Issuer
from wire.uuid7 import uuid7


class Upstream(models.Model):
    """A backend that the gateway forwards to."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True)
    url = models.URLField(
        max_length=512, blank=True, help_text="http://host:port or https://host/prefix"
    )
    allow_internal = models.BooleanField(
        default=False, help_text="Loopback and private addresses may be connected to."
    )
    connect_timeout_seconds = models.FloatField(default=2.0)
    first_byte_timeout_seconds = models.FloatField(default=30.0)
    idle_timeout_seconds = models.FloatField(default=30.0)
    total_timeout_seconds = models.FloatField(
        default=0.0, help_text="From the request to the last byte of the answer; 0: no limit."
    )
    ca_pem = models.TextField(blank=True, help_text="Certificates to trust; empty: the system's.")
    health_path = models.CharField(max_length=256, blank=True, help_text="Empty: no checks.")
    health_interval_seconds = models.FloatField(default=10.0)
    health_timeout_seconds = models.FloatField(default=2.0)
    health_healthy_after = models.PositiveSmallIntegerField(default=2)
    health_unhealthy_after = models.PositiveSmallIntegerField(default=3)
    health_check_on_save = models.BooleanField(default=True)
    eject_after = models.PositiveSmallIntegerField(default=5, help_text="0: never.")
    ejection_seconds = models.FloatField(default=10.0)

    def __str__(self) -> str:
        return self.slug


class Target(models.Model):
    """One of several addresses of an upstream."""

    upstream = models.ForeignKey(Upstream, on_delete=models.CASCADE, related_name="targets")
    url = models.URLField(max_length=512, help_text="http://host:port or https://host/prefix")
    weight = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["upstream", "url"], name="catalog_target_url_unique")
        ]

    def __str__(self) -> str:
        return self.url


class API(models.Model):
    """A published API. `resource` is what tokens are made for (RFC 8707)."""

    class State(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"
        RETIRED = "retired"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=128)
    version = models.CharField(max_length=32, blank=True)
    summary = models.CharField(max_length=256, blank=True)
    description = models.TextField(blank=True)
    documentation_url = models.URLField(
        max_length=512, blank=True, help_text="For developers, outside the portal."
    )
    tags = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.PUBLISHED)
    base_path = models.CharField(max_length=128, unique=True, help_text="/orders/v1")
    resource = models.CharField(
        max_length=512, unique=True, help_text="Empty: the gateway's URL and the base path."
    )
    upstream = models.ForeignKey(Upstream, on_delete=models.PROTECT, related_name="apis")
    allow_encoded_slash = models.BooleanField(default=False)
    max_body_bytes = models.PositiveBigIntegerField(default=10_485_760)
    allow_websocket = models.BooleanField(
        default=False, help_text="Connections may become WebSockets, on GET operations."
    )
    websocket_origins = ArrayField(
        models.CharField(max_length=256),
        default=list,
        blank=True,
        help_text="Web pages that may open one, as https://app.example; empty: any.",
    )
    websocket_idle_seconds = models.FloatField(
        default=300.0, help_text="A WebSocket on which nothing moves is closed after it."
    )
    # Claims of the user that the upstream needs; the token service puts them into its JWT.
    claims = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    # Pages of these origins may call; empty: none.
    cors_origins = ArrayField(models.CharField(max_length=256), default=list, blank=True)
    cors_methods = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    cors_headers = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    cors_exposed_headers = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    cors_credentials = models.BooleanField(
        default=False, help_text="Cookies and client certificates; gateway calls need neither."
    )
    cors_max_age_seconds = models.PositiveIntegerField(default=600)
    acr_values = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    max_auth_age_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="How long ago the user may have signed in."
    )
    requires_bound_tokens = models.BooleanField(
        default=False, help_text="Refuse bearer tokens: DPoP or a client certificate is needed."
    )
    requires_dpop_nonce = models.BooleanField(
        default=False, help_text="A DPoP proof must hold a nonce of the gateway."
    )
    issuers = models.ManyToManyField(
        Issuer,
        related_name="apis",
        blank=True,
        help_text="Whose JWT access tokens are taken beside our own tokens.",
    )
    openapi = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "API"
        verbose_name_plural = "APIs"

    def __str__(self) -> str:
        return self.name


class Scope(models.Model):
    """A scope of one API, in words for the consent page and the portal."""

    api = models.ForeignKey(API, on_delete=models.CASCADE, related_name="scopes")
    name = models.CharField(max_length=128)
    description = models.CharField(max_length=256, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["api", "name"], name="catalog_scope_unique")]

    def __str__(self) -> str:
        return self.name


class Operation(models.Model):
    """One route of an API: a method and an OpenAPI path template below the base path."""

    api = models.ForeignKey(API, on_delete=models.CASCADE, related_name="operations")
    operation_id = models.CharField(max_length=128)
    method = models.CharField(max_length=8, help_text="GET, POST, … or * for any")
    path = models.CharField(max_length=256, help_text="/orders/{order_id}")
    summary = models.CharField(max_length=256, blank=True)
    scopes = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    acr_values = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    max_auth_age_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text="How long ago the user may have signed in."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["api", "method", "path"], name="catalog_operation_route_unique"
            ),
            models.UniqueConstraint(
                fields=["api", "operation_id"], name="catalog_operation_id_unique"
            ),
        ]
        ordering = ["path", "method"]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class ConfigurationVersion(models.Model):
    """One row: the version of the gateway snapshot, raised in the transaction of each change.

    Up to `version`, `catalog_version` is the last that changed something else than subscriptions.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.BigIntegerField(default=1)
    catalog_version = models.BigIntegerField(default=1)


class ResourceRegistration(models.Model):
    """Outbox: what is to be told to the token service's registry of protected resources."""

    resource = models.CharField(max_length=512, primary_key=True)
    document = models.JSONField(null=True)  # null: the resource goes away
    changed_at = models.DateTimeField(auto_now=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=256, blank=True)
