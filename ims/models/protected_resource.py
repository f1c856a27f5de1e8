"""The registry of protected resources: who a token can be made for (RFC 8707, RFC 9728)."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class ProtectedResource(models.Model):
    """An API. `resource` is its RFC 8707 identifier and the audience of its tokens."""

    resource = models.CharField(max_length=512, unique=True)
    name = models.CharField(max_length=128)
    # Claims of the user that its phantom JWT carries, besides the registered ones.
    claims = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    # Clients that may introspect tokens made for it: the gateways in front of it.
    introspection_clients = models.ManyToManyField("ims.Client", related_name="introspects")
    registered_by = models.CharField(max_length=255, blank=True)
    updated_at = models.DateTimeField(auto_now=True)


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
