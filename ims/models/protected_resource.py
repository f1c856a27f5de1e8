"""The registry of protected resources: who a token can be made for (RFC 8707, RFC 9728)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from ims import conf


class ProtectedResource(models.Model):
    """An API. `resource` is its RFC 8707 identifier and the audience of its tokens."""

    resource = models.CharField(max_length=512, unique=True)
    name = models.CharField(max_length=128)
    # In words, for administrators; people see the words of its scopes.
    description = models.TextField(blank=True)
    documentation_url = models.CharField("documentation URL", max_length=512, blank=True)
    # Claims of the user that its declaration asks for under their own names; see ClaimMapping.
    claims = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    # How its phantom JWT is signed, and encrypted where an algorithm is named (RFC 7516).
    jwt_signing_alg = models.CharField(
        "JWT signature",
        max_length=8,
        choices=[(name, name) for name in conf.SUPPORTED_SIGNING_ALGORITHMS],
        default=conf.SIGNING_ALGORITHM,
    )
    jwt_encryption_alg = models.CharField(
        "JWT encryption",
        max_length=16,
        choices=[(name, name) for name in conf.SUPPORTED_ENCRYPTION_ALGORITHMS],
        blank=True,
        help_text="Empty: signed only. Content is encrypted with A256GCM.",
    )
    # The API's public keys (RFC 7517 §5): given, or read from its address by a periodic task.
    jwks = models.JSONField("JWKS", null=True, blank=True)
    jwks_uri = models.CharField(
        "JWKS address",
        max_length=512,
        blank=True,
        help_text="https only; read now and every hour, never while a token is introspected.",
    )
    jwks_read_at = models.DateTimeField("JWKS read at", null=True, blank=True)
    # Clients that may introspect tokens made for it: the gateways in front of it.
    introspection_clients = models.ManyToManyField("ims.Client", related_name="introspects")
    registered_by = models.CharField(max_length=255, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return self.resource


class ClaimMapping(models.Model):
    """An administrator's row: the phantom JWT of the API carries `source` as `claim`.

    It wins over a claim of the same name in the API's own declaration.
    """

    protected_resource = models.ForeignKey(
        ProtectedResource, on_delete=models.CASCADE, related_name="claim_mappings"
    )
    source = models.CharField(max_length=32)
    claim = models.CharField(max_length=128)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["protected_resource", "claim"], name="ims_claim_mapping_unique"
            )
        ]


class ResourceScope(models.Model):
    """A scope of one protected resource, with the words that the consent page shows."""

    protected_resource = models.ForeignKey(
        ProtectedResource, on_delete=models.CASCADE, related_name="scopes"
    )
    name = models.CharField(max_length=128)
    description = models.CharField(max_length=256, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["protected_resource", "name"], name="ims_resource_scope_unique"
            )
        ]
        indexes = [models.Index(fields=["name"])]
