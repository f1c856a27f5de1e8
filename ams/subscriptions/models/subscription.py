"""Who may use which plan with which application."""

from django.db import models

from ams.plans.models import Plan
from wire.uuid7 import uuid7


class Subscriber(models.Model):
    """Who is billed. `subject` is the identifier that the token service gave the person."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.CharField(max_length=255, unique=True)
    name = models.CharField(max_length=128, blank=True)
    email = models.EmailField(blank=True)

    def __str__(self) -> str:
        return self.email or self.subject


class Subscription(models.Model):
    """A client's right to a plan. The client's record itself is the token service's."""

    class Status(models.TextChoices):
        PENDING = "pending"
        ACTIVE = "active"
        REJECTED = "rejected"
        SUSPENDED = "suspended"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subscriber = models.ForeignKey(
        Subscriber, on_delete=models.PROTECT, related_name="subscriptions"
    )
    client_id = models.CharField(max_length=255, db_index=True)
    application_name = models.CharField(max_length=128, blank=True)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="subscriptions")
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    reason = models.CharField(max_length=256, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # The version of the configuration that last changed it: gateways are sent what is newer than
    # what they have, not 100,000 rows.
    changed_in_version = models.BigIntegerField(default=1, db_index=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["client_id", "plan"],
                condition=models.Q(status__in=["pending", "active", "suspended"]),
                name="subscriptions_one_open_per_plan",
            )
        ]

    def __str__(self) -> str:
        return f"{self.application_name or self.client_id}: {self.plan}"
