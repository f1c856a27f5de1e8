"""Usage in admin: what arrived, how far folding is behind, what was counted and what was not."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import F, Func, IntegerField, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from unfold.admin import ModelAdmin

from ams.errors import AMSError
from ams.metering.models import (
    DailyUsage,
    HourlyUsage,
    QuarantinedUsage,
    UsageBatchRecord,
    UsageSource,
)
from ams.metering.queries.get_metering_health import get_metering_health
from ams.metering.read_only_admin import ReadOnlyAdmin
from ams.metering.services.forget_usage_source import forget_usage_source
from ams.metering.services.resolve_quarantined_usage import (
    discard_quarantined_usage,
    release_quarantined_usage,
)

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


@admin.register(UsageSource)
class UsageSourceAdmin(ReadOnlyAdmin, ModelAdmin):
    """The overview of metering stands above the list of the gateway's workers."""

    list_display = ("node", "shipped", "spool", "calls_lost", "segments_discarded", "reported_at")
    search_fields = ("node",)
    ordering = ("shipped_until",)
    fields = ("node", "shipped_until", "spool", "calls_lost", "segments_discarded", "reported_at")
    readonly_fields = fields
    list_before_template = "metering/health.html"
    actions = ("forget",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Return the list below the figures of the whole installation."""
        context = {**(extra_context or {}), "health": get_metering_health()}
        answer: HttpResponse = super().changelist_view(request, context)
        return answer

    @admin.display(description="shipped until (UTC)", ordering="shipped_until")
    def shipped(self, source: UsageSource) -> str:
        behind = (timezone.now() - source.shipped_until).total_seconds()
        return f"{source.shipped_until:%Y-%m-%d %H:%M:%S}, {max(0, behind):.0f} s ago"

    @admin.display(description="spool of its machine", ordering="spool_bytes")
    def spool(self, source: UsageSource) -> str:
        return filesizeformat(source.spool_bytes)

    def has_forget_permission(self, request: HttpRequest) -> bool:
        """Whether the user may have a worker waited for no more."""
        return request.user.has_perm("metering.delete_usagesource")

    @admin.action(description="Forget: its machine is gone for good", permissions=["forget"])
    def forget(self, request: HttpRequest, sources: QuerySet[UsageSource]) -> None:
        for source in sources.order_by("node"):
            self.log_deletions(request, UsageSource.objects.filter(pk=source.node))
            forget_usage_source(node=source.node)
        self.message_user(request, "Forgotten.", messages.SUCCESS)


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
    """Both actions are POSTs of the list, so that no link of another site can set them off."""

    list_display = (
        "quarantined_at",
        "reason",
        "minute",
        "calls",
        "subscription_id",
        "resolution",
        "batch_id",
    )
    list_filter = ("reason", "resolution")
    actions = ("release", "discard")
    search_fields = ("batch__id",)
    ordering = ("-quarantined_at",)
    fields = (
        "batch",
        "reason",
        "minute",
        "calls",
        "subscription_id",
        "content",
        "quarantined_at",
        ("resolution", "resolved_at", "resolved_by"),
    )
    readonly_fields = (
        *fields[:-1],
        "resolution",
        "resolved_at",
        "resolved_by",
    )

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whether the user may count rows after all; the page itself changes nothing."""
        return request.user.has_perm("metering.change_quarantinedusage")

    @admin.action(description="Release: count it after all", permissions=["decide"])
    def release(self, request: HttpRequest, rows: QuerySet[QuarantinedUsage]) -> None:
        self._decide(request, rows, release_quarantined_usage, "released")

    @admin.action(description="Discard: never count it", permissions=["decide"])
    def discard(self, request: HttpRequest, rows: QuerySet[QuarantinedUsage]) -> None:
        self._decide(request, rows, discard_quarantined_usage, "discarded")

    def _decide(
        self,
        request: HttpRequest,
        rows: QuerySet[QuarantinedUsage],
        service: Callable[..., QuarantinedUsage],
        done: str,
    ) -> None:
        decided = 0
        for usage in rows.order_by("pk"):
            try:
                service(usage_id=usage.pk, actor=request.user.get_username())
            except AMSError as error:
                self.message_user(request, f"{usage.pk}: {error}", messages.ERROR)
            else:
                decided += 1
                self.log_change(request, usage, f"Usage {done}.")
        if decided:
            self.message_user(request, f"{decided} rows {done}.", messages.SUCCESS)

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
