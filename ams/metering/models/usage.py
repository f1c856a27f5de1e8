"""Usage as the gateways reported it, folded into hours and days."""

from django.db import models

import wire.usage_batch


class Cause(models.TextChoices):
    """Who made a call end as it did (`wire.usage_batch.Cause`)."""

    UPSTREAM = wire.usage_batch.Cause.UPSTREAM, "the API answered"
    CLIENT = wire.usage_batch.Cause.CLIENT, "refused, or the client left"
    GATEWAY = wire.usage_batch.Cause.GATEWAY, "the API gave no whole answer"


class UsageBatchRecord(models.Model):
    """A batch as it arrived; the UUIDv7 key makes a second arrival a no-op."""

    id = models.UUIDField(primary_key=True)
    node = models.CharField(max_length=128)
    # Empty once it was purged; the id stays for longer, so that a second arrival is known.
    document = models.JSONField(null=True)
    # An import of past months is not measured against the lateness limit.
    is_import = models.BooleanField(default=False)
    received_at = models.DateTimeField(auto_now_add=True)
    folded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["received_at"],
                condition=models.Q(folded_at=None),
                name="metering_batch_unfolded",
            ),
            models.Index(fields=["-folded_at"], name="metering_batch_folded_at"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class QuarantinedUsage(models.Model):
    """A row that is too late or from the future: kept and shown, not counted."""

    class Reason(models.TextChoices):
        LATE = "late"
        FUTURE = "future"

    class Resolution(models.TextChoices):
        RELEASED = "released"
        DISCARDED = "discarded"

    batch = models.ForeignKey(
        UsageBatchRecord, on_delete=models.PROTECT, related_name="quarantined"
    )
    reason = models.CharField(max_length=16, choices=Reason)
    row = models.JSONField()
    quarantined_at = models.DateTimeField(auto_now_add=True)
    resolution = models.CharField(max_length=16, choices=Resolution, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.CharField(max_length=150, blank=True)

    class Meta:
        verbose_name_plural = "quarantined usage"


class UsageRollup(models.Model):
    """Shared shape of a rollup row."""

    # Plain text, not foreign keys: usage outlives what it counts.
    subscription_id = models.CharField(max_length=64)
    client_id = models.CharField(max_length=255)
    plan_id = models.CharField(max_length=64)
    api_id = models.CharField(max_length=64)
    operation_id = models.CharField(max_length=128)
    status = models.PositiveSmallIntegerField()
    cause = models.CharField(max_length=8, choices=Cause, default=Cause.UPSTREAM)
    calls = models.BigIntegerField(default=0)
    request_bytes = models.BigIntegerField(default=0)
    response_bytes = models.BigIntegerField(default=0)
    latency_ms = models.BigIntegerField(default=0)

    class Meta:
        abstract = True


class HourlyUsage(UsageRollup):
    hour_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "hour_at",
                    "subscription_id",
                    "client_id",
                    "plan_id",
                    "api_id",
                    "operation_id",
                    "status",
                    "cause",
                ],
                name="metering_hourly_unique",
            )
        ]
        indexes = [models.Index(fields=["subscription_id", "hour_at"])]


class DailyUsage(UsageRollup):
    date = models.DateField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "date",
                    "subscription_id",
                    "client_id",
                    "plan_id",
                    "api_id",
                    "operation_id",
                    "status",
                    "cause",
                ],
                name="metering_daily_unique",
            )
        ]
        indexes = [models.Index(fields=["subscription_id", "date"])]
