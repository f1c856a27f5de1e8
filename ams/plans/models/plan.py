"""Products bundle APIs; plans say how much of a product one may use, and what it costs."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from ams.catalog.models import API
from ams.plans.billable import DEFAULT_CAUSES, DEFAULT_STATUSES
from wire.usage_batch import Cause
from wire.uuid7 import uuid7


def list_default_statuses() -> list[str]:
    """Return the default of `Plan.billable_statuses`; migrations name this function."""
    return list(DEFAULT_STATUSES)


def list_default_causes() -> list[str]:
    """Return the default of `Plan.billable_causes`; migrations name this function."""
    return list(DEFAULT_CAUSES)


class Product(models.Model):
    """What a developer subscribes to: one or more APIs, offered under plans."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=128)
    summary = models.CharField(max_length=256, blank=True)
    description = models.TextField(blank=True)
    is_published = models.BooleanField(default=True)
    apis = models.ManyToManyField(API, related_name="products")

    def __str__(self) -> str:
        return self.name


class Plan(models.Model):
    """Limits and price of a product."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="plans")
    slug = models.SlugField()
    name = models.CharField(max_length=64)
    description = models.TextField(blank=True)
    position = models.PositiveSmallIntegerField(default=0)
    is_published = models.BooleanField(default=True)
    requires_approval = models.BooleanField(default=False)
    currency = models.CharField(max_length=3, default="EUR")
    timezone = models.CharField(max_length=64, default="UTC")
    # Which calls are billed: those with one of these statuses and one of these causes.
    billable_statuses = ArrayField(
        models.CharField(max_length=7), default=list_default_statuses, blank=True
    )
    billable_causes = ArrayField(
        models.CharField(max_length=8, choices=[(cause.value, cause.value) for cause in Cause]),
        default=list_default_causes,
        blank=True,
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["product", "slug"], name="plans_plan_slug_unique")
        ]
        ordering = ["product", "position", "name"]

    def __str__(self) -> str:
        return f"{self.product.name} · {self.name}"


class RateLimit(models.Model):
    """At most `calls` in any `window_seconds`, counted for each of what `per` says."""

    class Per(models.TextChoices):
        SUBSCRIPTION = "subscription"
        CLIENT = "client"
        USER = "user"
        ADDRESS = "address"

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="rate_limits")
    position = models.PositiveSmallIntegerField(default=0)
    name = models.SlugField(default="rate", help_text="Clients see it in RateLimit-Policy.")
    calls = models.PositiveIntegerField()
    window_seconds = models.PositiveIntegerField(default=60)
    burst = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: all at once.")
    per = models.CharField(max_length=16, choices=Per, default=Per.SUBSCRIPTION)
    each_operation = models.BooleanField(default=False)
    # Operations of the product's APIs, as `get_order` or `orders/get_order`; empty: all.
    operations = ArrayField(models.CharField(max_length=180), default=list, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "name"], name="plans_rate_limit_name_unique")
        ]
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.name


class Quota(models.Model):
    """At most `calls` in a calendar period of the plan's time zone, and what becomes of more."""

    class Overage(models.TextChoices):
        BLOCK = "block"
        THROTTLE = "throttle"
        BILL = "bill"

    class Period(models.TextChoices):
        MINUTE = "minute"
        HOUR = "hour"
        DAY = "day"
        WEEK = "week"
        MONTH = "month"
        YEAR = "year"

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="quotas")
    position = models.PositiveSmallIntegerField(default=0)
    name = models.SlugField(default="quota", help_text="Clients see it in RateLimit-Policy.")
    calls = models.PositiveBigIntegerField()
    period = models.CharField(max_length=8, choices=Period, default=Period.MONTH)
    overage = models.CharField(max_length=8, choices=Overage, default=Overage.BLOCK)
    # Above `calls`, with overage throttle: this many in this time.
    throttle_calls = models.PositiveIntegerField(null=True, blank=True)
    throttle_window_seconds = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "name"], name="plans_quota_name_unique")
        ]
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.name


class PriceComponent(models.Model):
    """One line of a plan's price. Unit prices are exact decimals in major units per call."""

    class Kind(models.TextChoices):
        FLAT_FEE = "flat_fee"
        PER_CALL = "per_call"
        GRADUATED = "graduated"

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="components")
    position = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(max_length=16, choices=Kind)
    label = models.CharField(max_length=128)
    amount_minor = models.BigIntegerField(null=True, blank=True, help_text="Flat fee per period.")
    unit_price = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)
    included_calls = models.PositiveBigIntegerField(default=0)
    # Graduated: [{"up_to": 10000, "unit_price": "0.002"}, {"up_to": null, "unit_price": "0.001"}]
    tiers = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["position", "id"]

    def __str__(self) -> str:
        return self.label
