"""The audit log in admin: to read, to search and to take along, never to change."""

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str

from ims.admin.read_only import ReadOnlyAdmin
from ims.audit.events import Event, Outcome
from ims.models import AuditEvent, AuditSeal, User
from ims.queries.audit_log import export_lines
from ims.services.record_audit_event import record_audit_event

_MOST_COUNTED = 10_000
# A download is made in memory; `manage.py audit export` knows no end.
_MOST_EXPORTED = 50_000


class _BoundedPaginator(Paginator):  # type: ignore[type-arg]  # no generics at run time
    """Counts no further than anybody turns pages: the log may have a hundred million lines."""

    @cached_property
    def count(self) -> int:
        found = self.object_list
        assert isinstance(found, QuerySet)  # noqa: S101 - Django's change list passes nothing else
        return found.order_by()[:_MOST_COUNTED].count()


class EventFilter(admin.SimpleListFilter):
    title, parameter_name = "event", "event"

    def lookups(self, request: HttpRequest, model_admin: object) -> Iterable[tuple[str, Any]]:
        """Every event of the registry, in its words."""
        del request, model_admin
        return Event.choices

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> QuerySet[AuditEvent]:
        """Return the events of the chosen kind."""
        del request
        return queryset.filter(event=self.value()) if self.value() else queryset


class OutcomeFilter(admin.SimpleListFilter):
    title, parameter_name = "outcome", "outcome"

    def lookups(self, request: HttpRequest, model_admin: object) -> Iterable[tuple[str, Any]]:
        """Both."""
        del request, model_admin
        return Outcome.choices

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> QuerySet[AuditEvent]:
        """Return the events that ended so."""
        del request
        return queryset.filter(outcome=self.value()) if self.value() else queryset


class DayFilter(RangeDateFilter):
    """From one day to another, both included, in UTC."""

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> QuerySet[AuditEvent]:
        """Return the events of those days; what is no date does not restrict."""
        del request
        first, last = (
            parse_date_str(self.used_parameters.get(f"{self.parameter_name}_{end}") or "")
            for end in ("from", "to")
        )
        if first is not None:
            queryset = queryset.filter(occurred_at__gte=_midnight(first))
        if last is not None:
            queryset = queryset.filter(occurred_at__lt=_midnight(last) + timedelta(days=1))
        return queryset


class _NeverChanged(ReadOnlyAdmin):
    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody; the database would refuse it as well."""
        del request, obj
        return False


class AuditEventAdmin(_NeverChanged):
    """Who, which client, from where, and how it ended; the newest first."""

    list_display = ("time", "what", "result", "client_id", "subject", "actor", "address")
    list_filter = (EventFilter, OutcomeFilter, ("occurred_at", DayFilter))
    list_filter_submit = True
    search_fields = ("client_id",)
    search_help_text = "A client_id, a person's subject, username or e-mail address, or an address"
    fields = (
        "id",
        "occurred_at",
        "event",
        "outcome",
        "reason",
        "client_id",
        "subject",
        "person",
        "actor",
        "address",
        "user_agent",
        "request_id",
        "shown_detail",
    )
    ordering = ("-id",)
    paginator = _BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    actions = ("export",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Return the exact matches; what the term is decides where it is looked for."""
        del request
        term = search_term.strip()
        return (queryset.filter(_condition(term)) if term else queryset), False

    @admin.display(description="time (UTC)", ordering="id")
    def time(self, event: AuditEvent) -> str:
        """Return the moment to the second."""
        return f"{event.occurred_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="event")
    def what(self, event: AuditEvent) -> str:
        """Return the words of the registry."""
        known = event.event in Event.values
        return str(Event(event.event).label) if known else event.event

    @admin.display(description="outcome")
    def result(self, event: AuditEvent) -> str:
        """Return the outcome with its reason."""
        return f"{event.outcome}: {event.reason}" if event.reason else event.outcome

    @admin.display(description="person")
    def person(self, event: AuditEvent) -> str:
        """Return who the subject is today, where the account is still there."""
        found = User.objects.filter(subject=event.subject).first() if event.subject else None
        return "" if found is None else found.email or found.get_username()

    @admin.display(description="detail")
    def shown_detail(self, event: AuditEvent) -> SafeString:
        """Return the detail as JSON that can be read."""
        text = json.dumps(event.detail, indent=2, sort_keys=True, ensure_ascii=False)
        return format_html('<pre class="whitespace-pre-wrap">{}</pre>', text)

    @admin.action(description="Download as JSON lines", permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[AuditEvent]) -> HttpResponse:
        """Answer the chosen events, oldest first; that they were taken is an event itself."""
        del request
        chosen = queryset.order_by("id")[:_MOST_EXPORTED]
        body = "".join(export_lines(chosen))
        record_audit_event(event=Event.AUDIT_EXPORTED, detail={"events": body.count("\n")})
        return HttpResponse(
            body,
            content_type="application/x-ndjson",
            headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
        )


class AuditSealAdmin(_NeverChanged):
    """The chain; `manage.py audit verify` checks it."""

    list_display = ("number", "sealed_at", "event_count", "short_hash")
    fields = ("number", "sealed_at", "event_count", "last_id", "whole_hash")
    ordering = ("-number",)
    show_full_result_count = False

    @admin.display(description="hash")
    def short_hash(self, seal: AuditSeal) -> str:
        """Return enough of the hash to compare by eye."""
        return bytes(seal.hash).hex()[:16]

    @admin.display(description="hash")
    def whole_hash(self, seal: AuditSeal) -> str:
        """Return what the next seal is made over."""
        return bytes(seal.hash).hex()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _condition(term: str) -> Q:
    try:
        return Q(address=str(ip_address(term)))
    except ValueError:
        pass
    try:
        return Q(subject=str(UUID(term)))
    except ValueError:
        pass
    named = Q(email__iexact=term) | Q(username=term)
    subjects = [
        str(subject) for subject in User.objects.filter(named).values_list("subject", flat=True)[:5]
    ]
    return Q(client_id=term) | Q(actor=term) | Q(subject__in=subjects)
