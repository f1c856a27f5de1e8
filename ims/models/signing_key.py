"""Keys that sign JWTs; the private part is encrypted at rest."""

from django.db import models


class SigningKey(models.Model):
    """A key pair. Published while `retired_at` is empty or tokens signed with it may live.

    Its public part stays for good, so that an old ID token can still be recognised as ours.
    """

    kid = models.CharField(max_length=64, primary_key=True)
    algorithm = models.CharField(max_length=8, default="ES256")
    # Emptied when the key is retired.
    private_key_encrypted = models.BinaryField()
    public_jwk = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    # Published ahead of use, so that every reader has it before it signs.
    activates_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)
    # Somebody else may sign with it: never published again, and nothing it signed is believed.
    compromised_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.algorithm} {self.kid[:8]}"
