"""Forms of products and plans in admin."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from ams.plans.models import Plan, PriceComponent, Product, Quota, RateLimit
from ams.plans.specs import TierSpec
from ams.service_admin import RowForm, ServiceForm
from wire.usage_batch import Cause

_CAUSES: Final = {
    Cause.UPSTREAM: "the API, which answered, whatever it said",
    Cause.CLIENT: "the client: refused by the gateway, or gone before the answer",
    Cause.GATEWAY: "the gateway: it failed, or got no whole answer of the API",
}
_TIER: Final = re.compile(r"([0-9]{1,18}|rest) *: *([0-9.]{1,20})")


class ProductForm(ServiceForm):
    class Meta:
        model = Product
        fields = ("name", "slug", "summary", "description", "is_published", "apis")


class PlanForm(ServiceForm):
    billable_statuses = SimpleArrayField(
        forms.CharField(),
        required=False,
        label="Statuses",
        help_text="2xx, 404, 410-412. Separated by commas; none: no call is billed.",
        widget=UnfoldAdminTextInputWidget,
    )
    billable_causes = forms.MultipleChoiceField(
        choices=[(cause.value, text) for cause, text in _CAUSES.items()],
        required=False,
        label="Caused by",
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Plan
        fields = (
            "product",
            "name",
            "slug",
            "description",
            "position",
            "is_published",
            "requires_approval",
            "currency",
            "timezone",
            "billable_statuses",
            "billable_causes",
        )


class OperationsField(forms.CharField):
    """Operation ids between commas or spaces; none: every operation."""

    widget = UnfoldAdminTextInputWidget

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(super().has_changed(self.prepare_value(initial or []), data))

    def clean(self, value: Any) -> tuple[str, ...]:
        return tuple((super().clean(value) or "").replace(",", " ").split())


class RateLimitForm(RowForm):
    operations = OperationsField(required=False, help_text="get_order, create_order")

    class Meta:
        model = RateLimit
        fields = (
            "position", "name", "calls", "window_seconds", "burst", "per", "each_operation",
            "operations",
        )  # fmt: skip

    def _post_clean(self) -> None:
        # The row is saved by the service, which takes specs; the model would take a list.
        operations = self.cleaned_data.pop("operations", ())
        super()._post_clean()  # type: ignore[misc]  # Django's own hook, not in the stubs
        self.cleaned_data["operations"] = operations


class QuotaForm(RowForm):
    class Meta:
        model = Quota
        fields = (
            "position", "name", "calls", "period", "overage", "throttle_calls",
            "throttle_window_seconds",
        )  # fmt: skip


class TiersField(forms.CharField):
    """Tiers, a line each: `10000: 0.002` up to the 10,000th call, `rest: 0.001` above."""

    widget = UnfoldAdminTextareaWidget({"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return "\n".join(f"{row['up_to'] or 'rest'}: {row['unit_price']}" for row in value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(super().has_changed(self.prepare_value(initial or []), data))

    def clean(self, value: Any) -> tuple[TierSpec, ...]:
        lines = [line.strip() for line in (super().clean(value) or "").splitlines()]
        return tuple(_read_tier(line) for line in lines if line)


def _read_tier(line: str) -> TierSpec:
    match = _TIER.fullmatch(line)
    try:
        if match:
            up_to = None if match[1] == "rest" else int(match[1])
            return TierSpec(up_to=up_to, unit_price=Decimal(match[2]))
    except InvalidOperation:
        pass
    raise forms.ValidationError(f"{line!r} is not written as 10000: 0.002 or rest: 0.001.")


class PriceComponentForm(RowForm):
    tiers = TiersField(required=False, help_text="10000: 0.002 ⏎ rest: 0.001")

    class Meta:
        model = PriceComponent
        fields = ("position", "kind", "label", "amount_minor", "unit_price", "included_calls")

    def _post_clean(self) -> None:
        # The row is saved by the service, which takes specs; the model would take JSON.
        tiers = self.cleaned_data.pop("tiers", ())
        super()._post_clean()  # type: ignore[misc]  # Django's own hook, not in the stubs
        self.cleaned_data["tiers"] = tiers
