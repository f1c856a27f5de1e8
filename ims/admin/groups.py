"""Groups of people in admin."""

from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from unfold.admin import ModelAdmin


class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Django's own page in the admin's looks."""
