"""Signing keys in admin."""

from ims.admin.read_only import ReadOnlyAdmin


class SigningKeyAdmin(ReadOnlyAdmin):
    """The public side of each key."""

    list_display = ("kid", "algorithm", "activates_at", "retired_at")
    fields = ("kid", "algorithm", "public_jwk", "created_at", "activates_at", "retired_at")
    ordering = ("-activates_at",)
