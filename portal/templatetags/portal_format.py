"""How the portal writes money, statuses and navigation."""

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from django import template
from django.template import Context

from portal import money

register = template.Library()

_TONES: Final = {
    "active": "good",
    "finalized": "good",
    "pending": "near",
    "draft": "quiet",
    "suspended": "full",
    "rejected": "full",
    "voided": "quiet",
    "cancelled": "quiet",
}
_WORDS: Final = {
    "pending": "Waiting for approval",
    "finalized": "Final",
    "voided": "Void",
}


@register.filter
def minor(amount_minor: int, currency: str) -> str:
    """Write an amount in minor units."""
    return money.format_minor(amount_minor, currency)


@register.filter
def unit_price(price: Decimal | None, currency: str) -> str:
    """Write an exact unit price; a flat fee has none."""
    return "" if price is None else money.format_unit_price(price, currency)


@register.filter
def paragraphs(text: str) -> list[str]:
    """Split at empty lines; a single line break is only where an author's editor wrapped."""
    return [part for part in re.split(r"\n\s*\n", text.strip()) if part]


@register.filter
def last_day(end_date: date) -> date:
    """Return the last day of a period whose end is exclusive."""
    return end_date - timedelta(days=1)


@register.filter
def tone(status: str) -> str:
    """Return the badge's colour word for a status."""
    return _TONES.get(status, "quiet")


@register.filter
def status_words(status: str) -> str:
    return _WORDS.get(status, status.replace("_", " ").capitalize())


@register.simple_tag(takes_context=True)
def current(context: Context, *prefixes: str) -> str:
    """Return the aria-current value where the page's path starts with one of the prefixes."""
    request: Any = context.get("request")
    path = getattr(request, "path", "")
    return "page" if any(path.startswith(prefix) for prefix in prefixes) else "false"
