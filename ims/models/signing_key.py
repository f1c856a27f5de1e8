"""Keys that sign JWTs; the private part is encrypted at rest."""

from django.db import models


class SigningKey(models.Model):
    """A key pair. Published while `retired_at` is empty or tokens signed with it may live."""

    kid = models.CharField(max_length=64, primary_key=True)
    algorithm = models.CharField(max_length=8, default="ES256")
    private_key_encrypted = models.BinaryField()
    public_jwk = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    # Published ahead of use, so that every reader has it before it signs.
    activates_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)
