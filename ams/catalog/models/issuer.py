"""Other authorization servers whose JWT access tokens APIs may take."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from wire.uuid7 import uuid7


def _default_algorithms() -> list[str]:
    return ["ES256", "RS256"]


class Issuer(models.Model):
    """An authorization server of others. `clients` are rows of `IssuerClientSpec`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    slug = models.SlugField(unique=True)
    issuer = models.CharField(max_length=512, unique=True, help_text="The `iss` of its tokens.")
    jwks_uri = models.CharField(max_length=512, blank=True, help_text="Empty: by discovery.")
    audience = models.CharField(
        max_length=512, blank=True, help_text="The `aud` of its tokens. Empty: the API's resource."
    )
    algorithms = ArrayField(models.CharField(max_length=8), default=_default_algorithms)
    scope_claim = models.CharField(max_length=64, default="scope")
    client_id_claim = models.CharField(max_length=64, default="client_id")
    clients = models.JSONField(default=list, blank=True)
    ca_pem = models.TextField(blank=True, help_text="Certificates to trust; empty: the system's.")

    def __str__(self) -> str:
        return self.slug
