"""Signing keys in admin."""

from django.contrib import admin
from django.utils import timezone

from ims.admin.read_only import ReadOnlyAdmin
from ims.models import SigningKey
from ims.queries.signing_keys import find_active_signing_key


class SigningKeyAdmin(ReadOnlyAdmin):
    """The public side of each key. Keys change by themselves, or by `rotate_signing_keys`."""

    list_display = ("kid", "algorithm", "state", "activates_at", "retired_at")
    list_filter = ("algorithm", ("retired_at", admin.EmptyFieldListFilter))
    fields = (
        "kid",
        "algorithm",
        "public_jwk",
        "created_at",
        "activates_at",
        "retired_at",
        "compromised_at",
    )
    ordering = ("-activates_at",)

    @admin.display(description="state")
    def state(self, key: SigningKey) -> str:
        """Return where the key is in its life; runs a statement for each that may sign."""
        if key.compromised_at:
            return "compromised"
        if key.retired_at:
            return "retired"
        if key.activates_at > timezone.now():
            return "announced"
        active = find_active_signing_key(key.algorithm)
        return "signs" if active is not None and active.kid == key.kid else "succeeded"
