"""Requests of devices without a browser, until a person answers them (RFC 8628)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class DeviceAuthorization(models.Model):
    """RFC 8628 §3.1: a request of a device without a browser; both of its codes are digests.

    It is answered once: `grant` is set when the person allows it, `denied_at` when not.
    """

    digest = models.BinaryField(max_length=32, primary_key=True)
    # Under a key made from SECRET_KEY: 35 bits alone would be found by trying.
    user_code_digest = models.BinaryField(max_length=32, unique=True)
    client = models.ForeignKey("ims.Client", on_delete=models.CASCADE)
    scopes = ArrayField(models.CharField(max_length=128), default=list)
    resources = ArrayField(models.CharField(max_length=512), default=list, blank=True)
    grant = models.ForeignKey("ims.Grant", null=True, blank=True, on_delete=models.CASCADE)
    denied_at = models.DateTimeField(null=True, blank=True)
    # RFC 8628 §3.5: grows with each `slow_down`.
    interval_seconds = models.PositiveSmallIntegerField()
    polled_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True, blank=True)
