"""What admin's forms of the catalog and of plans are posted with, and what they refuse."""

API_FIELDS = {
    "name": "Orders",
    "slug": "orders",
    "state": "published",
    "base_path": "/orders/v1",
    "max_body_bytes": "1000",
    "websocket_idle_seconds": "60",
    "cors_max_age_seconds": "600",
    "tags": "shop, demo",
}
PLAN_FIELDS = {
    "name": "Growth",
    "slug": "growth",
    "position": "1",
    "is_published": "on",
    "currency": "EUR",
    "timezone": "Europe/Berlin",
    "billable_statuses": "2xx, 404",
    "billable_causes": ["upstream", "client"],
}


def rows(prefix, *given, initial=0):
    data = {f"{prefix}-TOTAL_FORMS": len(given), f"{prefix}-INITIAL_FORMS": initial}
    for at, row in enumerate(given):
        data |= {f"{prefix}-{at}-{name}": value for name, value in row.items()}
    return data


def upstream_data(targets=(), **changes):
    return {
        "slug": "orders",
        "url": "",
        "connect_timeout_seconds": "1",
        "first_byte_timeout_seconds": "1",
        "idle_timeout_seconds": "1",
        "total_timeout_seconds": "0",
        "health_path": "",
        "health_interval_seconds": "10",
        "health_timeout_seconds": "2",
        "health_healthy_after": "2",
        "health_unhealthy_after": "3",
        "eject_after": "5",
        "ejection_seconds": "10",
        **rows("targets", *targets),
        **changes,
    }


def limit_rows(rate_limits, quotas):
    plain = {"position": 0, "per": "subscription", "window_seconds": 60}
    calendar = {"position": 0, "period": "month", "overage": "block"}
    return {
        **rows(
            "rate_limits", *(plain | {"position": at} | row for at, row in enumerate(rate_limits))
        ),
        **rows("quotas", *(calendar | {"position": at} | row for at, row in enumerate(quotas))),
    }


def api_data(upstream, scopes=(), operations=(), **changes):
    return {
        **API_FIELDS,
        "upstream": upstream.pk,
        **rows("scopes", *scopes),
        **rows("operations", *operations),
        **changes,
    }


def errors_in(answer):
    context = answer.context
    found = dict(context["adminform"].form.errors)
    for formset in context["inline_admin_formsets"]:
        for at, row in enumerate(formset.formset.forms):
            found |= {f"{formset.formset.prefix}-{at}-{name}": e for name, e in row.errors.items()}
    return found
