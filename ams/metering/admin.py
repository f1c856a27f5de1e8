"""Usage in admin: what arrived, how far folding is behind, what was counted and what was not."""

import json
from datetime import UTC, datetime

from django.contrib import admin
from django.db.models import F, Func, IntegerField, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin

from ams.metering.models import DailyUsage, HourlyUsage, QuarantinedUsage, UsageBatchRecord
from ams.metering.read_only_admin import ReadOnlyAdmin

_COUNTERS = ("calls", "request_bytes", "response_bytes", "latency_ms")
_KEY = ("subscription_id", "client_id", "api_id", "operation_id", "status", "cause")


@admin.register(UsageBatchRecord)
class UsageBatchRecordAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("id", "node", "rows", "received_at", "folded_at", "lag", "is_import")
    list_filter = (("folded_at", admin.EmptyFieldListFilter), "is_import", "node")
    search_fields = ("id", "node")
    ordering = ("-received_at",)
    fields = ("id", "node", "rows", "received_at", "folded_at", "lag", "is_import")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[UsageBatchRecord]:
        """Return the batches without their documents, which may have a megabyte each."""
        rows = Func(F("document__rows"), function="jsonb_array_length", output_field=IntegerField())
        found: QuerySet[UsageBatchRecord] = super().get_queryset(request)
        return found.defer("document").annotate(row_count=rows)

    @admin.display(ordering="row_count")
    def rows(self, batch: UsageBatchRecord) -> int:
        return int(getattr(batch, "row_count", 0))

    @admin.display(description="lag")
    def lag(self, batch: UsageBatchRecord) -> str:
        """Return how long folding took, or how long the batch has been waiting for it."""
        seconds = ((batch.folded_at or timezone.now()) - batch.received_at).total_seconds()
        return f"{seconds:.1f} s" if batch.folded_at else f"waiting for {seconds:.0f} s"


class UsageRollupAdmin(ReadOnlyAdmin, ModelAdmin):
    list_filter = ("cause", "status")
    search_fields = ("subscription_id", "client_id", "api_id", "operation_id")


@admin.register(HourlyUsage)
class HourlyUsageAdmin(UsageRollupAdmin):
    list_display = ("hour_at", *_KEY, *_COUNTERS)
    date_hierarchy = "hour_at"
    ordering = ("-hour_at", "subscription_id")


@admin.register(DailyUsage)
class DailyUsageAdmin(UsageRollupAdmin):
    list_display = ("date", *_KEY, *_COUNTERS)
    date_hierarchy = "date"
    ordering = ("-date", "subscription_id")


@admin.register(QuarantinedUsage)
class QuarantinedUsageAdmin(ReadOnlyAdmin, ModelAdmin):
    list_display = ("quarantined_at", "reason", "minute", "calls", "subscription_id", "batch_id")
    list_filter = ("reason",)
    search_fields = ("batch__id",)
    ordering = ("-quarantined_at",)
    fields = ("batch", "reason", "minute", "calls", "subscription_id", "content", "quarantined_at")
    readonly_fields = fields

    @admin.display(description="minute (UTC)")
    def minute(self, usage: QuarantinedUsage) -> str:
        # A gateway with a broken clock may name a year that Python does not know.
        try:
            return f"{datetime.fromtimestamp(usage.row['minute'], UTC):%Y-%m-%d %H:%M}"
        except (OSError, OverflowError, ValueError):
            return str(usage.row["minute"])

    def calls(self, usage: QuarantinedUsage) -> int:
        return int(usage.row["calls"])

    def subscription_id(self, usage: QuarantinedUsage) -> str:
        return str(usage.row["subscription_id"])

    @admin.display(description="row")
    def content(self, usage: QuarantinedUsage) -> str:
        return json.dumps(usage.row, indent=2)
