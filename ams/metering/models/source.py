"""Where usage comes from."""

from django.db import models


class UsageSource(models.Model):
    """A gateway worker, as it last told of the usage that it holds (`wire.usage_report`)."""

    node = models.CharField(primary_key=True, max_length=128)
    # By the worker's own clock, as the minutes of its rows are.
    shipped_until = models.DateTimeField()
    spool_bytes = models.BigIntegerField()
    calls_lost = models.BigIntegerField()
    segments_discarded = models.BigIntegerField()
    reported_at = models.DateTimeField()

    class Meta:
        verbose_name = "gateway worker"

    def __str__(self) -> str:
        return self.node
