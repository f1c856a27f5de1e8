"""Which APIs publish keys that are to be read."""

from datetime import timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from ims import conf
from ims.models import ProtectedResource


def list_resources_to_read() -> QuerySet[ProtectedResource]:
    """Return those whose keys were not read yet, or not for RESOURCE_KEYS_MAX_AGE_SECONDS."""
    read_before = timezone.now() - timedelta(seconds=conf.RESOURCE_KEYS_MAX_AGE_SECONDS)
    due = Q(jwks_read_at=None) | Q(jwks_read_at__lt=read_before)
    return ProtectedResource.objects.filter(due).exclude(jwks_uri="").order_by("pk")
