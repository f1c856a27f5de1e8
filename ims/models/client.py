"""OAuth clients: the master record of every application (RFC 6749 §2, RFC 7591 §2)."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from ims.toolkit.application import ToolkitApplication


class Client(ToolkitApplication):
    """A registered client. `metadata` keeps every RFC 7591 member that has no column."""

    # What the installation's own parts use; nobody gets them without being named for them.
    RESERVED_SCOPES: ClassVar = frozenset({"gateway", "manage", "resources:write"})

    objects: ClassVar[models.Manager["Client"]]

    class AuthMethod(models.TextChoices):
        BASIC = "client_secret_basic"
        POST = "client_secret_post"
        PRIVATE_KEY_JWT = "private_key_jwt"
        NONE = "none"

    token_endpoint_auth_method = models.CharField(
        max_length=32, choices=AuthMethod, default=AuthMethod.BASIC
    )
    grant_types = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    response_types = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    # Scopes the client may ask for; empty: every scope that is open to registered clients.
    scopes = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    is_first_party = models.BooleanField(default=False, help_text="Skips the consent page.")
    registration_access_token_digest = models.BinaryField(
        max_length=32, null=True, blank=True, unique=True
    )
    registered_with = models.ForeignKey(
        "ims.InitialAccessToken", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    # Whose bounds it keeps to when it changes its record.
    policy = models.ForeignKey(
        "ims.RegistrationPolicy",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    # Written by a periodic task from the tokens issued, never on the way of a request.
    last_used_at = models.DateTimeField(null=True, blank=True)
    unused_warned_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "client"
        constraints = [
            # Whoever owns a web page can have a metadata document: none is our own.
            models.CheckConstraint(
                condition=~(Q(registration_source="cimd") & Q(is_first_party=True)),
                name="ims_client_document_is_no_first_party",
            )
        ]

    @property
    def is_public(self) -> bool:
        """Whether it has no credentials of its own (RFC 6749 §2.1)."""
        return bool(self.token_endpoint_auth_method == self.AuthMethod.NONE)

    @property
    def has_secrets(self) -> bool:
        """Whether it authenticates with a secret that we know (a digest of)."""
        methods = (self.AuthMethod.BASIC, self.AuthMethod.POST)
        return self.token_endpoint_auth_method in methods


class ClientSecret(models.Model):
    """One of a client's secrets, as a SHA-256 digest: 256 random bits need no password hash."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="secrets")
    digest = models.BinaryField(max_length=32, unique=True)
    label = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)


class InitialAccessToken(models.Model):
    """Permission to register clients (RFC 7591 §1.2), as a digest."""

    digest = models.BinaryField(max_length=32, unique=True)
    label = models.CharField(max_length=64)
    # What clients registered with it may ask for.
    allowed_grant_types = ArrayField(models.CharField(max_length=64), default=list)
    allowed_scopes = ArrayField(
        models.CharField(max_length=128), default=list, blank=True, help_text="Empty: every scope."
    )
    policy = models.ForeignKey(
        "ims.RegistrationPolicy",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="initial_access_tokens",
        limit_choices_to={"source": "token"},
        help_text="More bounds; what both allow is allowed.",
    )
    uses_left = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.label
