"""What the portal keeps of developers and their applications: never the master record."""

from django.db import models

from wire.uuid7 import uuid7


class Developer(models.Model):
    """A person the token service signed in, known by `iss` and `sub` (OIDC Core §5.7)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    email = models.EmailField(blank=True)
    name = models.CharField(max_length=128, blank=True)
    first_seen_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="portal_developer_unique")
        ]


class Application(models.Model):
    """A client registered for a developer (RFC 7591). The token service holds its record."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    developer = models.ForeignKey(Developer, on_delete=models.CASCADE, related_name="applications")
    name = models.CharField(max_length=128)  # shown in lists without a call
    client_id = models.CharField(max_length=255, unique=True)
    registration_client_uri = models.URLField(max_length=512)
    registration_access_token_encrypted = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
